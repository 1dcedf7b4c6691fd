"""Samplers draw torch's numbers, in torch's order, and refuse what torch refuses."""

import pytest

from tests.differential import agree

SAMPLERS = {
    "sequential": lambda torch, data: data.SequentialSampler(range(7)),
    "random": lambda torch, data: data.RandomSampler(range(23)),
    "random, one element": lambda torch, data: data.RandomSampler(range(1)),
    "random, more than there are": lambda torch, data: data.RandomSampler(range(5), num_samples=13),
    "random, fewer than there are": lambda torch, data: data.RandomSampler(range(50), num_samples=13),
    "random with replacement": lambda torch, data: data.RandomSampler(range(50), replacement=True),
    "random with replacement, 64": lambda torch, data: data.RandomSampler(range(5), True, 64),
    "random with a generator": lambda torch, data: data.RandomSampler(range(9), generator=torch.Generator().manual_seed(3)),
    "subset": lambda torch, data: data.SubsetRandomSampler([5, 3, 8, 1, 9, 2]),
    "weighted": lambda torch, data: data.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 20),
    "weighted without replacement": lambda torch, data: data.WeightedRandomSampler([0.9, 0.4, 0.05, 0.2, 0.3], 4, False),
    "weighted by a tensor": lambda torch, data: data.WeightedRandomSampler(torch.tensor([1, 2, 3]), 8),
    "batches": lambda torch, data: data.BatchSampler(data.SequentialSampler(range(10)), 3, False),
    "whole batches": lambda torch, data: data.BatchSampler(data.RandomSampler(range(10)), 3, True),
    "batches of a list": lambda torch, data: data.BatchSampler([4, 5, 6], 2, False),
}


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_a_sampler_gives_torchs_indices_pass_after_pass(make):
    def program(torch):
        torch.manual_seed(11)
        sampler = make(torch, torch.utils.data)
        return len(sampler), list(sampler), list(sampler), torch.randint(1000, (3,))

    agree(program)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [10, 12, 3, 1])
def test_the_shares_of_a_distributed_sampler_are_torchs(size, shuffle, drop_last):
    def program(torch):
        shares = []
        for rank in range(4):
            sampler = torch.utils.data.DistributedSampler(range(size), 4, rank, shuffle, seed=5, drop_last=drop_last)
            shares += [len(sampler), list(sampler)]
            sampler.set_epoch(2)
            shares.append(list(sampler))
        return shares

    agree(program)


WRONG = {
    "no elements": lambda data: data.RandomSampler([]),
    "replacement is no bool": lambda data: data.RandomSampler(range(3), replacement=1),
    "no samples": lambda data: data.RandomSampler(range(3), num_samples=0),
    "half a sample": lambda data: data.RandomSampler(range(3), num_samples=1.5),
    "weights are a matrix": lambda data: data.WeightedRandomSampler([[1.0, 2.0]], 2),
    "bool of samples": lambda data: data.WeightedRandomSampler([1.0, 2.0], True),
    "weighted replacement is no bool": lambda data: data.WeightedRandomSampler([1.0, 2.0], 2, "yes"),
    "batches of nothing": lambda data: data.BatchSampler(range(3), 0, False),
    "drop_last is no bool": lambda data: data.BatchSampler(range(3), 2, None),
    "rank out of range": lambda data: data.DistributedSampler(range(3), 2, 2),
    "bare sampler": lambda data: iter(data.Sampler()),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_wrong_arguments_raise_torchs_errors(make):
    agree(lambda torch: make(torch.utils.data))
