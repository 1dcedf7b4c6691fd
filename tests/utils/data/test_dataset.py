"""Datasets give torch's samples, split as torch splits, and refuse what torch refuses."""

import numpy as np
import pytest

from tests.differential import agree, ints, randn


def test_rows_of_tensors():
    def program(torch, x, y):
        data = torch.utils.data.TensorDataset(x, y)
        return len(data), data[3], data[-1], data[1:3]

    agree(program, randn(5, 3), ints(5))


def test_rows_can_be_fetched_all_at_once():
    import torchlike as torch

    data = torch.utils.data.TensorDataset(torch.arange(12.0).view(6, 2), torch.arange(6))
    rows = data.__getitems__([4, 0])
    assert [(x.tolist(), y.item()) for x, y in rows] == [([8.0, 9.0], 4), ([0.0, 1.0], 0)]


def test_a_subclass_of_tensordataset_keeps_its_getitem():
    def program(torch):
        class Doubled(torch.utils.data.TensorDataset):
            def __getitem__(self, index):
                return tuple(2 * t for t in super().__getitem__(index))

        return list(torch.utils.data.DataLoader(Doubled(torch.arange(5)), 2))

    agree(program)


def test_combinations():
    def program(torch):
        data = torch.utils.data
        a, b = data.TensorDataset(torch.arange(3)), data.TensorDataset(torch.arange(10, 14))
        both = a + b
        stacked = data.StackDataset(list("abc"), [1, 2, 3])
        named = data.StackDataset(letter=list("abc"), number=[1, 2, 3])
        subset = data.Subset(both, [6, 0, 3])
        return (
            len(both),
            both[0],
            both[3],
            both[-1],
            both.cumulative_sizes,
            len(stacked),
            stacked[1],
            stacked.__getitems__([2, 0]),
            named[0],
            named.__getitems__([1]),
            len(subset),
            subset[0],
            subset.__getitems__([1, 2]),
        )

    agree(program)


def test_streams_one_behind_the_other():
    def program(torch):
        class Numbers(torch.utils.data.IterableDataset):
            def __init__(self, *bounds):
                self.range = range(*bounds)

            def __iter__(self):
                return iter(self.range)

            def __len__(self):
                return len(self.range)

        chain = Numbers(3) + Numbers(10, 12)
        return type(chain).__name__, len(chain), list(chain), list(torch.utils.data.DataLoader(chain, 2))

    agree(program)


@pytest.mark.parametrize("lengths", [[3, 20], [0.5, 0.3, 0.2], [0.1] * 10, [23], [1.0], [0.999, 0.001], [0, 23]])
def test_random_split(lengths):
    def program(torch):
        torch.manual_seed(4)
        parts = torch.utils.data.random_split(range(23), lengths)
        seeded = torch.utils.data.random_split(range(23), lengths, generator=torch.Generator().manual_seed(1))
        return [list(part) for part in (*parts, *seeded)]

    agree(program)


WRONG = {
    "rows differ": lambda torch, data: data.TensorDataset(torch.zeros(3), torch.zeros(4)),
    "abstract": lambda torch, data: data.Dataset()[0],
    "stack of nothing": lambda torch, data: data.StackDataset(),
    "stack both ways": lambda torch, data: data.StackDataset([1], a=[2]),
    "stack of different lengths": lambda torch, data: data.StackDataset([1], [2, 3]),
    "concat of nothing": lambda torch, data: data.ConcatDataset([]),
    "concat out of range": lambda torch, data: data.ConcatDataset([[1], [2]])[-3],
    "chain of lists": lambda torch, data: list(data.ChainDataset([[1]])),
    "split too much": lambda torch, data: data.random_split(range(3), [1, 1]),
    "split by negative fractions": lambda torch, data: data.random_split(range(3), [1.5, -0.5]),
    "half a subset": lambda torch, data: type("Half", (data.Subset,), {"__getitem__": None})([1], [0]),
}


@pytest.mark.parametrize(("name", "make"), WRONG.items(), ids=WRONG)
def test_wrong_arguments_raise_torchs_errors(name, make):
    agree(lambda torch: make(torch, torch.utils.data), message="way" not in name and "half" not in name)


def test_an_empty_part_of_a_split_warns():
    import torchlike as torch

    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        torch.utils.data.random_split(range(3), [1.0, 0.0])


def test_arrays_in_datasets_need_no_conversion():
    def program(torch):
        data = [(np.float32(i) * np.ones(2, np.float32), i) for i in range(4)]
        return list(torch.utils.data.DataLoader(data, 3))

    agree(program)
