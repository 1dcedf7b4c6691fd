"""`Generator` against real torch: seeds, states to the byte, errors, forks."""

import copy
import pickle

import numpy as np
import pytest
import torch

from torchlike._src.random import generator as ours
from torchlike._src.random.generator import Generator


def pair(seed):
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def same_state(mine, real):
    return np.array_equal(mine.state_array(), real.get_state().numpy())


@pytest.mark.parametrize("seed", [0, 1, 42, -1, -(2**63), 2**32 + 5, 2**64 - 1])
def test_state_matches_to_the_byte_wherever_the_draws_stop(seed):
    mine, real = pair(seed)
    assert same_state(mine, real)
    for count in (0, 1, 31, 32, 560, 1, 623, 624, 625, 2000):
        mine.twister.words(count)
        torch.empty(count, dtype=torch.int32).random_(generator=real)
        assert same_state(mine, real)
        assert mine.initial_seed() == real.initial_seed()


def test_new_generator_has_torchs_default_seed():
    assert Generator().initial_seed() == torch.Generator().initial_seed()
    assert same_state(Generator(), torch.Generator())


def test_state_travels_to_torch_and_back():
    mine, real = pair(3)
    mine.twister.words(1000)
    mine.next_normal = 0.25
    real.set_state(torch.from_numpy(mine.state_array()))
    assert same_state(mine, real)
    assert torch.empty(3, dtype=torch.float64).normal_(generator=real)[0] == 0.25
    torch.empty(5).normal_(generator=real)
    mine.load_state_array(real.get_state().numpy())
    assert same_state(mine, real)
    words = torch.empty(700, dtype=torch.int32).random_(generator=real).numpy()
    assert np.array_equal(mine.twister.words(700) & 0x7FFFFFFF, words)


def test_copies_draw_the_same_numbers_and_go_their_own_way():
    first = Generator().manual_seed(7)
    first.twister.words(11)
    first.next_device_seed()
    for clone in (first.clone_state(), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert np.array_equal(clone.state_array(), first.state_array())
        before = first.state_array()
        clone.twister.words(1)
        assert np.array_equal(first.state_array(), before)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 2.5, "a", None, True])
def test_bad_seeds_raise_as_torchs(seed):
    with pytest.raises((RuntimeError, ValueError)) as real:
        torch.Generator().manual_seed(seed)
    with pytest.raises(real.type, match=str(real.value)):
        Generator().manual_seed(seed)


@pytest.mark.parametrize("state", [torch.zeros(5056, dtype=torch.uint8), torch.zeros(10, dtype=torch.uint8), torch.zeros(5056)])
def test_bad_states_raise_as_torchs_and_change_nothing(state):
    mine = Generator().manual_seed(1)
    before = mine.state_array()
    with pytest.raises((RuntimeError, TypeError)) as real:
        torch.Generator().set_state(state)
    with pytest.raises(real.type, match=str(real.value)):
        mine.load_state_array(state.numpy())
    assert np.array_equal(mine.state_array(), before)


def test_lookahead_leaves_the_stream_behind_the_last_used_word():
    for used in (0, 1, 63, 64, 65, 5000):
        mine, real = pair(5)
        with mine.lookahead() as draw:
            values = [draw() for _ in range(used)]
        assert values == torch.empty(used, dtype=torch.float64).uniform_(generator=real).tolist()
        assert same_state(mine, real)


def test_device_seeds_depend_on_seed_and_count_only():
    first, second = Generator().manual_seed(1), Generator().manual_seed(1)
    second.twister.words(100)
    seeds = [first.next_device_seed() for _ in range(1000)]
    assert seeds == [second.next_device_seed() for _ in range(1000)]
    assert len(set(seeds)) == 1000
    assert seeds[0] != Generator().manual_seed(2).next_device_seed()
    assert first.manual_seed(1).next_device_seed() == seeds[0]


def test_restoring_a_state_repeats_device_seeds():
    generator = Generator().manual_seed(1)
    generator.next_device_seed()
    state = generator.state_array()
    following = generator.next_device_seed()
    assert generator.load_state_array(state).next_device_seed() == following
    torch.Generator().set_state(torch.from_numpy(state))  # torch does not mind the counter in it


def test_default_generator_is_seeded_and_forked():
    ours.manual_seed(3.9)  # torch.manual_seed takes what int() takes
    assert ours.initial_seed() == 3
    before = ours.get_rng_state()
    with ours.fork_rng():
        ours.default_generator.twister.words(5)
    assert np.array_equal(ours.get_rng_state(), before)
    with ours.fork_rng(enabled=False):
        ours.default_generator.twister.words(5)
    assert not np.array_equal(ours.get_rng_state(), before)
    ours.set_rng_state(before)
    assert np.array_equal(ours.get_rng_state(), before)
    assert ours.seed() == ours.initial_seed()


def test_device_is_checked_and_kept():
    assert Generator().device == Generator("cpu").device
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        Generator("nowhere")


def test_mode_is_one_of_two():
    assert ours.get_mode() == "device"
    ours.set_mode("torch")
    assert ours.get_mode() == "torch"
    ours.set_mode("device")
    with pytest.raises(ValueError, match='expected "torch" or "device", got \'gpu\''):
        ours.set_mode("gpu")
