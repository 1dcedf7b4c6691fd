"""The keys of Python numbers in the trie tell all numbers apart that give other results."""

import itertools

import torchlike
from torchlike._src.engine.trace import number_key


def test_no_two_numbers_share_a_key():
    numbers = [0.0, -0.0, 1.0, -1.0, 0, 1, -1, True, False, float("nan"), float("inf"), 0j, 1j]
    for a, b in itertools.combinations(numbers, 2):
        assert number_key(a) != number_key(b), (a, b)


def test_zero_and_one_are_not_mixed_up_when_they_take_turns():
    x = torchlike.ones(600, 600) * 2
    x.sum().item()
    assert [(x * 3 + c)[0, 0].item() for c in (0.0, 1.0, -0.0, -1.0)] == [6, 7, 6, 5]
