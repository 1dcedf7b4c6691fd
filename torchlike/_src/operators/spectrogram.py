"""The short-time Fourier transform and its inverse, made of windows and `fft`."""

import warnings
from typing import Any

from torchlike._src.operators.registry import Array, composite, ops


def _described(name: str, input: Any, n_fft: int, hop: Any, length: Any, window: Any, normalized: bool, tail: str) -> str:
    """The call as torch's messages repeat it."""
    kind = f"torch.{input.dtype.storage_name.removesuffix('Storage')}Tensor"
    shown = "None" if window is None else f"{kind}{{{list(window.shape)}}}"
    return (
        f"{name}({kind}{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={length}, window={shown}, "
        f"normalized={int(normalized)}, {tail})"
    )


def _window(input: Any, window: Any, win_length: int, n_fft: int, device: Any) -> Any:
    """The window, or ones, in the middle of ``n_fft`` points."""
    if window is None:
        window = ops.ones(win_length, dtype=input.dtype, device=device)
    if win_length == n_fft:
        return window
    left = (n_fft - win_length) // 2
    return ops["nn.functional.pad"](window, (left, n_fft - win_length - left))


@composite("stft")
def stft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Array | None = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Any:  # fmt: skip
    """Fourier transforms of overlapping windows: frequencies by frames, after a batch dimension if the input has one."""
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if center:
        lead = (1,) * (3 - input.ndim)
        padded = ops["nn.functional.pad"](input.view((*lead, *input.shape)), [n_fft // 2, n_fft // 2], pad_mode)
        input = padded.view(padded.shape[-input.ndim :])
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if return_complex is None:
        if not (input.is_complex() or (window is not None and window.is_complex())):
            raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further require "
                               "that return_complex=True in a future PyTorch release.")  # fmt: skip
        return_complex = True
    tail = f"onesided={'None' if onesided is None else int(onesided)}, return_complex={int(return_complex)}"
    start = _described("stft", input, n_fft, hop, length, window, normalized, tail)
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(f"{start}: expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"{start}: expected a 1D or 2D tensor")
    x = input if input.ndim == 2 else input.unsqueeze(0)
    total = x.shape[1]
    if not 0 < n_fft <= total:
        raise RuntimeError(f"{start}: expected 0 < n_fft < {total}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{start}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{start}: expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is not None and (window.ndim != 1 or window.shape[0] != length):
        raise RuntimeError(
            f"{start}: expected a 1D window tensor of size equal to win_length={length}, but got window with size "
            f"{list(window.shape)}"
        )
    if align_to_window and length < n_fft:
        left = (n_fft - length) // 2
        x = ops["nn.functional.pad"](x, (left, left))
    frames = x.unfold(1, n_fft, hop)
    if window is not None or length < n_fft:
        frames = frames * _window(input, window, length, n_fft, input.device)
    is_complex = frames.is_complex()
    if onesided is None:
        onesided = not is_complex
    if is_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    transform = ops["fft.rfft" if onesided else "fft.fft"]
    found = transform(frames, norm="ortho" if normalized else None).transpose(1, 2)
    if input.ndim == 1:
        found = found.squeeze(0)
    return found if return_complex else ops.view_as_real(found)


@composite("istft")
def istft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Array | None = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Any:  # fmt: skip
    """The signal of which `stft` gives these frames: windows added up, divided by the sum of their squares.

    Raises:
        RuntimeError: if the windows do not cover the signal.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    tail = (
        f"center={int(center)}, onesided={'None' if onesided is None else int(onesided)}, "
        f"length={length}, return_complex={int(return_complex)}"
    )
    start = _described("istft", input, n_fft, hop, size, window, normalized, tail)
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from stft with return_complex=True.")
    if input.numel() == 0:
        raise RuntimeError(f"{start}: input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(f"{start}: expected a tensor with 3 or 4 dimensions, but got {input.ndim + 1}")
    spectra = (input if input.ndim == 3 else input.unsqueeze(0)).transpose(1, 2)
    frames, bins = spectra.shape[1], spectra.shape[2]
    one = onesided if onesided is not None else bins != n_fft
    if one and n_fft // 2 + 1 != bins:
        raise RuntimeError(
            f"{start}: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when "
            f"onesided=True, but got {bins}"
        )
    if not one and n_fft != bins:
        raise RuntimeError(
            f"{start}: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when "
            f"onesided=False, but got {bins}"
        )
    if not 0 < hop <= size:
        raise RuntimeError(f"{start}: expected 0 < hop_length <= win_length")
    if not 0 < size <= n_fft:
        raise RuntimeError(f"{start}: expected 0 < win_length <= n_fft")
    if window is not None and (window.ndim != 1 or window.shape[0] != size):
        raise RuntimeError(f"{start}: Invalid window shape. window has to be 1D and length of `win_length`")
    if return_complex and one:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else None
    if return_complex:
        pieces = ops["fft.ifft"](spectra, n_fft, norm=norm)
    else:  # of a real signal the other half says nothing new, and is not read
        pieces = ops["fft.irfft"](spectra[..., : n_fft // 2 + 1], n_fft, norm=norm)
    window = _window(pieces, window, size, n_fft, input.device)
    pieces = pieces * window
    added, weight = _overlap(pieces, hop), _overlap((window * window).expand(1, frames, n_fft), hop)
    total = n_fft + hop * (frames - 1)
    first = n_fft // 2 if center else 0
    if length is not None:
        last = first + length
    else:
        last = total - n_fft // 2 if center else total
    signal, cover = added[:, first:last], weight[:, first:last]
    if not bool((cover.abs() > 1e-11).all()):
        raise RuntimeError(f"{start}window overlap add min: {int(bool((cover.abs() > 1e-11).all()))}")
    signal = signal / cover
    if last > total:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. "
            "Please check your center, window, and hop_length settings.",
            UserWarning,
            stacklevel=2,
        )
        signal = ops["nn.functional.pad"](signal, (0, last - total))
    return signal if input.ndim == 3 else signal.squeeze(0)


def _overlap(pieces: Any, hop: int) -> Any:
    """Pieces added up, each ``hop`` after the one before."""
    batch, count, size = pieces.shape
    where = ops.arange(count).unsqueeze(1) * hop + ops.arange(size)
    out = ops.zeros(batch, size + hop * (count - 1), dtype=pieces.dtype, device=pieces.device)
    return out.index_add(1, where.reshape(-1), pieces.reshape(batch, -1))
