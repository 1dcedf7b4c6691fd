"""Recurrent modules: whole sequences (`RNN`, `LSTM`, `GRU`) and single steps (the cells).

A call of `RNN`, `LSTM` or `GRU` is one op, ``torch.lstm`` and its like, whatever the number of layers and
directions; here are the parameters, the checks and the handling of packed and unbatched sequences.
"""

from __future__ import annotations

import math
import numbers
import warnings
import weakref
from typing import Any

import torchlike as torch
from torchlike._src.tensor.autocast import is_any_autocast_enabled
from torchlike._src.tensor.core import Tensor
from torchlike.nn import init
from torchlike.nn.modules.module import Module
from torchlike.nn.parameter import Parameter
from torchlike.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

#: Rows of a weight matrix, as multiples of the hidden size.
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    return tensor.index_select(dim, permutation)


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """Deprecated: ``tensor.index_select(dim, permutation)``."""
    warnings.warn(
        "`apply_permutation` is deprecated, please use `tensor.index_select(dim, permutation)` instead",
        FutureWarning,
        stacklevel=2,
    )
    return _apply_permutation(tensor, permutation, dim)


class RNNBase(Module):
    """What `RNN`, `LSTM` and `GRU` share: the parameters, the checks, and the way through ``forward``.

    Args:
        mode: ``"LSTM"``, ``"GRU"``, ``"RNN_TANH"`` or ``"RNN_RELU"``.
        input_size: features of the input.
        hidden_size: features of the hidden state.
        num_layers: layers on top of each other.
        bias: whether to add biases.
        batch_first: whether input and output are ``(N, L, H)`` rather than ``(L, N, H)``.
        dropout: probability of dropout between layers in training.
        bidirectional: also run each layer from the end to the start.
        proj_size: project the hidden state to this size (`LSTM` only).
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._flat_weight_refs: list[Any] = []
        self._check_options(dropout)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)

        rows = _GATES[mode] * hidden_size
        state_size = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            columns = input_size if layer == 0 else state_size * directions
            shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, state_size)}
            if bias:
                shapes.update(bias_ih=(rows,), bias_hh=(rows,))
            if proj_size:
                shapes.update(weight_hr=(proj_size, hidden_size))
            for suffix in ("", "_reverse")[:directions]:
                names = [f"{kind}_l{layer}{suffix}" for kind in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(torch.empty(shape, device=device, dtype=dtype)))
                self._flat_weights_names.extend(names)
                self._all_weights.append(names)
        self._init_flat_weights()
        self.reset_parameters()

    def _check_options(self, dropout: Any) -> None:
        if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")

    def _init_flat_weights(self) -> None:
        """Collect the parameters into the list that the op takes."""
        self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._refer_to_flat_weights()
        self.flatten_parameters()

    def _refer_to_flat_weights(self) -> None:
        self._flat_weight_refs = [None if w is None else weakref.ref(w) for w in self._flat_weights]

    def _weights_have_changed(self) -> bool:
        """Whether a parameter was replaced behind the list's back, as `functional_call` does."""
        for ref, name in zip(self._flat_weight_refs, self._flat_weights_names, strict=True):
            weight = getattr(self, name, None)
            if weight is not None and ref is not None and ref() is not weight:
                return True
        return False

    def _update_flat_weights(self) -> None:
        if self._weights_have_changed():
            self._init_flat_weights()

    def __setattr__(self, name: str, value: Any) -> None:
        names = self.__dict__.get("_flat_weights_names", ())
        if name in names and "_flat_weights" in self.__dict__:
            self._flat_weights[names.index(name)] = value
        super().__setattr__(name, value)

    def flatten_parameters(self) -> None:
        """Nothing: XLA lays out the weights as it likes. In torch, cuDNN wants them in one block."""

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._flat_weight_refs = []  # weak references must not keep swapped tensors from being collected
        result = super()._apply(fn, recurse)
        self._init_flat_weights()
        return result

    def reset_parameters(self) -> None:
        """Draw all parameters, in order, from U(-k, k) with k = 1/√hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise unless dtype, number of dimensions and features of the input fit."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype and not is_any_autocast_enabled():
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        dims = 3 if batch_sizes is None else 2
        if input.dim() != dims:
            raise RuntimeError(f"input must have {dims} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}")

    def _batch_size(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0 if self.batch_first else 1)

    def _state_shape(self, batch: int, size: int) -> tuple[int, int, int]:
        return self.num_layers * (2 if self.bidirectional else 1), batch, size

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """``(layers · directions, N, proj_size or hidden_size)``."""
        return self._state_shape(self._batch_size(input, batch_sizes), self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """RuntimeError unless a state has the expected shape."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raise unless input and state fit this module and each other."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its batch in another order."""
        return hx if permutation is None else _apply_permutation(hx, permutation)

    def _zero_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        shape = self._state_shape(self._batch_size(input, batch_sizes), self.proj_size or self.hidden_size)
        return torch.zeros(shape, dtype=input.dtype, device=input.device)

    def _batched_state(self, hx: Any, batched: bool) -> Any:
        """A given state with a batch dimension; RuntimeError if it does not match the input in having one."""
        if hx.dim() != (3 if batched else 2):
            kind, dims = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
            raise RuntimeError(f"For {kind} input, hx should also be {dims}-D but got {hx.dim()}-D tensor")
        return hx if batched else hx.unsqueeze(1)

    def _unbatched_state(self, hidden: Any) -> Any:
        return hidden.squeeze(1)

    #: What follows the number of dimensions in the error message; torch's three messages differ.
    _dims_noun = "D instead"

    def _run(self, op: Any, input: Any, hx: Any) -> tuple[Any, Any]:
        """The forward of all three: from any form of input to the op's, and back."""
        self._update_flat_weights()
        if isinstance(input, PackedSequence):
            data, batch_sizes, sorted_indices, unsorted_indices = input
            hx = self._zero_state(data, batch_sizes) if hx is None else self.permute_hidden(hx, sorted_indices)
            self.check_forward_args(data, hx, batch_sizes)
            output, hidden = self._call(op, data, batch_sizes, hx)
            packed = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
            return packed, self.permute_hidden(hidden, unsorted_indices)

        if input.dim() not in (2, 3):
            raise ValueError(f"{self._get_name_of_kind()}: Expected input to be 2D or 3D, got {input.dim()}{self._dims_noun}")
        batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(batch_dim)
        hx = self._zero_state(input, None) if hx is None else self._batched_state(hx, batched)
        self.check_forward_args(input, hx, None)
        output, hidden = self._call(op, input, hx)
        return (output, hidden) if batched else (output.squeeze(batch_dim), self._unbatched_state(hidden))

    def _get_name_of_kind(self) -> str:
        return self.mode.partition("_")[0]

    def _call(self, op: Any, *inputs: Any) -> tuple[Tensor, Any]:
        options = [self.num_layers, self.dropout, self.training, self.bidirectional]
        if len(inputs) == 2:  # not packed
            options.append(self.batch_first)
        output, *hidden = op(*inputs, self._flat_weights, self.bias, *options)
        return output, hidden[0] if len(hidden) == 1 else tuple(hidden)

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            s += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            s += f", num_layers={self.num_layers}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if self.batch_first is not False:
            s += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            s += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            s += f", bidirectional={self.bidirectional}"
        return s

    def __getstate__(self) -> dict[str, Any]:
        self._update_flat_weights()
        state = super().__getstate__()
        del state["_flat_weight_refs"]  # weak references do not pickle
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)
        self._refer_to_flat_weights()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def _replicate_for_data_parallel(self) -> Any:
        replica = super()._replicate_for_data_parallel()
        replica._flat_weights = replica._flat_weights[:]
        replica._flat_weights_names = replica._flat_weights_names[:]
        return replica


_SEQUENCE_SHAPES = """Shape:
        Input ``(L, N, input_size)``, ``(N, L, input_size)`` with ``batch_first``, ``(L, input_size)``, or a
        `PackedSequence` → output ``(L, N, D·H)`` likewise, D the number of directions, and the last state
        ``(D·num_layers, N, H)``.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: and so on for each layer, with ``_reverse`` for the
            other direction; from U(-k, k) with k = 1/√hidden_size.
    """


class RNN(RNNBase):
    __doc__ = f"""``h = tanh(W_ih x + b_ih + W_hh h + b_hh)`` over sequences.

    Args:
        input_size, hidden_size, num_layers: see `RNNBase`.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias, batch_first, dropout, bidirectional: see `RNNBase`.

    {_SEQUENCE_SHAPES}"""

    _dims_noun = "D tensor instead"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:  # the fourth argument is one that `RNNBase` does not have
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Run over a sequence from the state ``hx``, zero by default; gives the outputs and the last state."""
        return self._run(torch.rnn_tanh if self.mode == "RNN_TANH" else torch.rnn_relu, input, hx)


class LSTM(RNNBase):
    __doc__ = f"""Long short-term memory over sequences: ``c = f·c + i·g``, ``h = o·tanh(c)``.

    The gates ``i, f, o = sigmoid(W x + b + U h + c)`` and ``g = tanh(...)`` are stacked in the weights in the
    order i, f, g, o.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size: see `RNNBase`.

    {_SEQUENCE_SHAPES}
    Source:
        Hochreiter and Schmidhuber 1997; projections: Sak et al. 2014, https://arxiv.org/abs/1402.1128.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """``(layers · directions, N, hidden_size)``: the cell state is not projected."""
        return self._state_shape(self._batch_size(input, batch_sizes), self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        for i, size in enumerate((self.get_expected_hidden_size, self.get_expected_cell_size)):
            self.check_hidden_size(hidden[i], size(input, batch_sizes), f"Expected hidden[{i}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        if permutation is None:
            return hx
        return _apply_permutation(hx[0], permutation), _apply_permutation(hx[1], permutation)

    def _zero_state(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[Tensor, Tensor]:
        hidden = super()._zero_state(input, batch_sizes)
        if not self.proj_size:
            return hidden, hidden
        shape = self._state_shape(hidden.size(1), self.hidden_size)
        return hidden, torch.zeros(shape, dtype=input.dtype, device=input.device)

    def _batched_state(self, hx: Any, batched: bool) -> tuple[Tensor, Tensor]:
        dims = 3 if batched else 2
        if hx[0].dim() != dims or hx[1].dim() != dims:
            raise RuntimeError(
                f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, hx and cx should also be {dims}-D but got "
                f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )
        return hx if batched else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))

    def _unbatched_state(self, hidden: Any) -> tuple[Tensor, Tensor]:
        return hidden[0].squeeze(1), hidden[1].squeeze(1)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Run over a sequence from the state ``(h, c)``, zero by default; gives the outputs and the last state."""
        return self._run(torch.lstm, input, hx)


class GRU(RNNBase):
    __doc__ = f"""Gated recurrent unit over sequences: ``h = (1 - z)·n + z·h``.

    ``r, z = sigmoid(W x + b + U h + c)`` and ``n = tanh(W x + b + r·(U h + c))`` are stacked in the weights in
    the order r, z, n.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: see `RNNBase`.

    {_SEQUENCE_SHAPES}
    Source:
        Cho et al. 2014, https://arxiv.org/abs/1406.1078, with the reset gate behind the product as in cuDNN.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Run over a sequence from the state ``hx``, zero by default; gives the outputs and the last state."""
        return self._run(torch.gru, input, hx)


class RNNCellBase(Module):
    """What the cells share: the parameters, and the handling of inputs without a batch.

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state.
        bias: whether to add biases.
        num_chunks: number of gates.
    """

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Tensor
    weight_hh: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(torch.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(torch.empty((rows, hidden_size), device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(torch.empty(rows, device=device, dtype=dtype))
            self.bias_hh = Parameter(torch.empty(rows, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.__dict__.get("bias", True) is not True:
            s += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            s += f", nonlinearity={self.nonlinearity}"
        return s

    def reset_parameters(self) -> None:
        """Draw all parameters, in order, from U(-k, k) with k = 1/√hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def _step(self, op: Any, input: Tensor, hx: Tensor | None) -> Tensor:
        """One step of a cell with one state."""
        self._check_dims("input", input)
        if hx is not None:
            self._check_dims("hidden", hx)
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(input)
        elif not batched:
            hx = hx.unsqueeze(0)
        state = op(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return state if batched else state.squeeze(0)

    def _check_dims(self, name: str, value: Tensor) -> None:
        if value.dim() not in (1, 2):
            raise ValueError(f"{self._kind}: Expected {name} to be 1D or 2D, got {value.dim()}D instead")

    def _zeros(self, input: Tensor) -> Tensor:
        return torch.zeros(input.size(0), self.hidden_size, dtype=input.dtype, device=input.device)


_CELL_ARGS = """Args:
        input_size: features of the input.
        hidden_size: features of the hidden state.
        bias: whether to add biases.
    """


class RNNCell(RNNCellBase):
    __doc__ = f"""One step of `RNN`: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    {_CELL_ARGS}    nonlinearity: ``"tanh"`` or ``"relu"``.

    Shape:
        ``(N, input_size)``, ``(N, hidden_size)`` → ``(N, hidden_size)``; all without N too.
    """

    _kind = "RNNCell"
    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        ops = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell}
        if self.nonlinearity not in ops:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(ops[self.nonlinearity], input, hx)


class LSTMCell(RNNCellBase):
    __doc__ = f"""One step of `LSTM`.

    {_CELL_ARGS}
    Shape:
        ``(N, input_size)`` and a pair of ``(N, hidden_size)`` → a pair of ``(N, hidden_size)``; all without N too.
    """

    _kind = "LSTMCell"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        self._check_dims("input", input)
        for i, value in enumerate(hx or ()):
            self._check_dims(f"hx[{i}]", value)
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            zeros = self._zeros(input)
            hx = (zeros, zeros)
        elif not batched:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = torch.lstm_cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    __doc__ = f"""One step of `GRU`.

    {_CELL_ARGS}
    Shape:
        ``(N, input_size)``, ``(N, hidden_size)`` → ``(N, hidden_size)``; all without N too.
    """

    _kind = "GRUCell"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(torch.gru_cell, input, hx)
