"""Normals drawn in the midst of a step: worked out by the program, the same to the bit as on the host."""

import pytest
import torch

import torchlike


@pytest.mark.parametrize("shape", [(16,), (128, 20), (3, 16), (5, 7), (0,)])
def test_noise_of_a_recorded_step_is_torchs_to_the_bit(shape):
    drawn = []
    for library in (torch, torchlike):
        library.manual_seed(3)
        x = library.ones(shape, requires_grad=True)
        y = x * 2 + 1  # recorded, not computed
        noise = library.randn_like(y)
        after = library.rand(3)
        drawn.append([t.detach().numpy() for t in (y + noise, noise, after)])
    for ours, theirs in zip(drawn[1], drawn[0], strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()


def test_noise_of_a_recorded_step_is_part_of_its_program():
    x = torchlike.ones(64, requires_grad=True)
    for _ in range(2):
        y = x * 2
        noise = torchlike.randn_like(y)
        assert noise._value().data is None
        assert not noise.requires_grad
        (y * noise).sum().backward()
        assert torchlike.equal(x.grad, 2 * noise)
        x.grad = None


def test_other_dtypes_draw_what_torch_draws():
    drawn = []
    for library in (torch, torchlike):
        library.manual_seed(5)
        y = library.ones(32, requires_grad=True) * 2
        drawn.append([library.randn_like(y, dtype=d).double().numpy() for d in (library.float64, library.float16)])
    for ours, theirs in zip(drawn[1], drawn[0], strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), torch.from_numpy(theirs))
