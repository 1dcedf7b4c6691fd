"""Loaders without workers: batches, order, lengths and errors are torch's."""

import numpy as np
import pytest

from tests.differential import agree

N = 23


def table(torch):
    """Rows of a float tensor and their numbers."""
    return torch.utils.data.TensorDataset(torch.arange(3.0 * N).view(N, 3), torch.arange(N))


def pairs(torch):
    """The same from NumPy."""
    return [(np.arange(3, dtype=np.float32) + 3 * i, i) for i in range(N)]


OPTIONS = {
    "single": {},
    "batches": {"batch_size": 4},
    "shuffled": {"batch_size": 4, "shuffle": True},
    "whole batches": {"batch_size": 4, "shuffle": True, "drop_last": True},
    "no batches": {"batch_size": None},
    "one batch": {"batch_size": 100},
    "sampler": {"batch_size": 4, "sampler": [3, 1, 4, 1, 5]},
    "batch sampler": {"batch_sampler": [[3, 1], [4], [1, 5, 9]]},
}


@pytest.mark.parametrize("dataset", [table, pairs])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_two_passes(options, dataset):
    def program(torch):
        torch.manual_seed(7)
        loader = torch.utils.data.DataLoader(dataset(torch), **options)
        return len(loader), list(loader), list(loader), torch.rand(2), [type(batch).__name__ for batch in loader]

    agree(program)


def test_a_generator_of_its_own():
    def program(torch):
        generator = torch.Generator().manual_seed(42)
        loader = torch.utils.data.DataLoader(range(9), 4, shuffle=True, generator=generator)
        return list(loader), list(loader), torch.rand(1), torch.rand(1, generator=generator)

    agree(program)


def test_subsets_of_rows():
    def program(torch):
        torch.manual_seed(1)
        train, test = torch.utils.data.random_split(table(torch), [0.7, 0.3])
        inner = torch.utils.data.Subset(train, range(0, len(train), 2))
        return [list(torch.utils.data.DataLoader(part, 5)) for part in (train, test, inner)]

    agree(program)


def test_a_collate_function_gets_a_list_of_samples():
    def program(torch):
        def collate(samples):
            assert type(samples) is list
            samples.sort(key=lambda sample: -sample[1])
            return [(type(sample).__name__, sample[1]) for sample in samples]

        return list(torch.utils.data.DataLoader(table(torch), 4, collate_fn=collate))

    agree(program)


def stream(torch, length=None):
    class Numbers(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(10))

    if length is not None:
        Numbers.__len__ = lambda self: length
    return Numbers()


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}])
def test_streams(options):
    def program(torch):
        loader = torch.utils.data.DataLoader(stream(torch, 10), **options)
        return len(loader), list(loader), list(loader)

    agree(program)


def test_a_stream_that_is_longer_than_it_said_warns():
    import torchlike as torch

    loader = torch.utils.data.DataLoader(stream(torch, 2), batch_size=None)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2 .* samples have been fetched"):
        assert len(list(loader)) == 10


WRONG = {
    "workers": {"num_workers": -1},
    "timeout": {"timeout": -1},
    "prefetch without workers": {"prefetch_factor": 2},
    "negative prefetch": {"num_workers": 1, "prefetch_factor": -1},
    "persistent without workers": {"persistent_workers": True},
    "sampler and shuffle": {"sampler": [1], "shuffle": True},
    "batch sampler and size": {"batch_sampler": [[1]], "batch_size": 2},
    "batch sampler and drop_last": {"batch_sampler": [[1]], "drop_last": True},
    "no batches and drop_last": {"batch_size": None, "drop_last": True},
    "batches of nothing": {"batch_size": 0},
    "unknown context": {"num_workers": 1, "multiprocessing_context": "magic"},
    "context of a wrong type": {"num_workers": 1, "multiprocessing_context": 3},
    "context without workers": {"multiprocessing_context": "fork"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_options_that_torch_refuses(options):
    agree(lambda torch: torch.utils.data.DataLoader(range(3), **options))


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}], ids=str)
def test_options_that_a_stream_refuses(options):
    agree(lambda torch: torch.utils.data.DataLoader(stream(torch), **options))


def test_options_are_fixed():
    def program(torch):
        loader = torch.utils.data.DataLoader(range(3))
        loader.num_workers = 0
        loader.batch_size = 2

    agree(program)


def test_lengths_and_empty_datasets():
    def program(torch):
        loader = torch.utils.data.DataLoader([], 2)
        return len(loader), list(loader), len(torch.utils.data.DataLoader(stream(torch)))

    agree(program, message=False)


def test_an_exception_in_a_sample_is_the_users_own():
    def program(torch):
        class Broken(torch.utils.data.Dataset):
            def __len__(self):
                return 3

            def __getitem__(self, index):
                raise LookupError(f"no sample {index}")

        next(iter(torch.utils.data.DataLoader(Broken())))

    agree(program)


def test_iterators_cannot_be_pickled():
    import pickle

    import torchlike as torch

    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iter(torch.utils.data.DataLoader(range(3))))
