"""Batches have torch's structure, dtypes and errors."""

import collections
import types

import numpy as np
import pytest

from tests.differential import agree

Point = collections.namedtuple("Point", ["x", "y"])


class Labelled(list):
    """A list with an attribute of its own."""

    label = "here"


BATCHES = {
    "tensors": lambda torch: [torch.arange(3), torch.arange(3)],
    "scalars": lambda torch: [torch.tensor(1.5), torch.tensor(2.5)],
    "arrays": lambda torch: [np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)],
    "arrays of int16": lambda torch: [np.arange(3, dtype=np.int16)] * 2,
    "numpy scalars": lambda torch: [np.float32(1), np.float32(2)],
    "numpy ints": lambda torch: [np.int64(1), np.int64(2)],
    "numpy bools": lambda torch: [np.bool_(True), np.bool_(False)],
    "0-d arrays": lambda torch: [np.array(1.0), np.array(2.0)],
    "floats": lambda torch: [0.1, 0.2],
    "ints": lambda torch: [1, 2, 3],
    "bools": lambda torch: [True, False],
    "strings": lambda torch: ["a", "b"],
    "bytes": lambda torch: [b"a", b"b"],
    "pairs": lambda torch: [(1, 2.0), (3, 4.0)],
    "lists": lambda torch: [[1, 2], [3, 4]],
    "dicts": lambda torch: [{"a": 1, "b": [2, 3]}, {"a": 4, "b": [5, 6]}],
    "ordered dicts": lambda torch: [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "proxies": lambda torch: [types.MappingProxyType({"a": 1})] * 2,
    "named tuples": lambda torch: [Point(0, torch.ones(2)), Point(1, torch.ones(2))],
    "nested": lambda torch: [{"a": (torch.ones(1), "s"), "b": [1, [2.0]]}] * 2,
    "ranges": lambda torch: [range(2), range(2, 4)],
    "lists with attributes": lambda torch: [Labelled([1]), Labelled([2])],
    "float16": lambda torch: [torch.ones(2, dtype=torch.float16)] * 2,
    "empty tensors": lambda torch: [torch.ones(0, 3)] * 2,
    "unequal lists": lambda torch: [[1, 2], [3]],
    "unequal tensors": lambda torch: [torch.ones(2), torch.ones(3)],
    "unequal arrays": lambda torch: [np.ones(2), np.ones(3)],
    "arrays of strings": lambda torch: [np.array(["a"]), np.array(["b"])],
    "none": lambda torch: [None, None],
    "sets": lambda torch: [{1}, {2}],
    "a missing key": lambda torch: [{"a": 1}, {"b": 1}],
    "nothing": lambda torch: [],
}


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)
def test_default_collate(make):
    def program(torch):
        batch = torch.utils.data.default_collate(make(torch))
        return batch, type(batch).__name__.replace("mappingproxy", "dict"), getattr(batch, "label", None)

    agree(program)


CONVERTED = {
    "array": lambda torch: np.arange(3.0),
    "scalar": lambda torch: np.float32(2),
    "tensor": lambda torch: torch.ones(2),
    "strings": lambda torch: np.array(["a", "b"]),
    "number": lambda torch: 3,
    "tuple": lambda torch: (np.ones(1), 2),
    "list": lambda torch: [np.ones(1), "s"],
    "dict": lambda torch: {"a": np.ones(1), "b": None},
    "named tuple": lambda torch: Point(np.ones(1), 1),
    "range": lambda torch: list(torch.utils.data.default_convert(range(3))),
}


@pytest.mark.parametrize("make", CONVERTED.values(), ids=CONVERTED)
def test_default_convert(make):
    def program(torch):
        found = torch.utils.data.default_convert(make(torch))
        return found if not isinstance(found, np.ndarray) else found.tolist(), type(found).__name__

    agree(program)


def test_the_map_of_collate_functions_can_be_extended():
    def program(torch):
        from importlib import import_module

        collate = import_module(f"{torch.__name__}.utils.data._utils.collate")
        known = {**collate.default_collate_fn_map, set: lambda batch, *, collate_fn_map: set().union(*batch)}
        return sorted(collate.collate([{1, 2}, {3}], collate_fn_map=known))

    agree(program)
