"""torch's module and optimizer databases: layers compared by value and gradient, optimizers by the path they take."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch

from torchlike.testing.conformance.bridge import Bridge, resolve
from torchlike.testing.conformance.checks import Outcome, _cotangents, disagree, run, seed
from torchlike.testing.conformance.compare import tensors_in
from torchlike.testing.conformance.entries import matches

#: Layers that draw random numbers in training: compared there by structure only.
_RANDOM_LAYERS = {"nn.FractionalMaxPool2d", "nn.FractionalMaxPool3d"}
STEPS = 5


class Layer:
    """One row of `module_db`, by its public name ``nn.Linear``."""

    def __init__(self, info: Any) -> None:
        self.info = info
        self.name = info.name

    def exists(self, library: Any) -> bool:
        return _has(library, self.name)

    def run(self, dtype: torch.dtype, library: Any, limit: int | None = None, *, grad: bool) -> Iterator[Outcome]:
        """Every sample, in training and in evaluation: results, buffers and, if asked, gradients."""
        for training in (True, False):
            torch.manual_seed(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = list(
                    self.info.module_inputs_func(self.info, device="cpu", dtype=dtype, requires_grad=grad, training=training)
                )
            for sample in found[: limit or len(found)]:
                model, error = run(self._theirs, sample, dtype, training)
                if error is not None or model is None:
                    continue
                state = {key: value.clone() for key, value in model.state_dict().items() if _is_plain(value)}
                how = {"values": self.name not in _RANDOM_LAYERS}
                expected = run(_outcome, lambda lib, m=model: m, sample, torch, grad)

                def ours(lib: Any, sample: Any = sample, state: Any = state, training: bool = training) -> Any:
                    made = self._build(sample, lib, dtype)
                    if not self.info.is_lazy:  # a lazy layer has no parameters yet: the same seed makes the same ones
                        made.load_state_dict(Bridge(lib).over(state))
                    return made.train(training)

                yield disagree(expected, run(_outcome, ours, sample, library, grad), library, **how)

    def _theirs(self, sample: Any, dtype: torch.dtype, training: bool) -> Any:
        return self._build(sample, torch, dtype).train(training)

    def _build(self, sample: Any, library: Any, dtype: torch.dtype) -> Any:
        bridge = ModuleBridge(library)
        constructor = sample.constructor_input
        seed(library)
        made = resolve(library, self.name)(*map(bridge.over, constructor.args), **bridge.over(dict(constructor.kwargs)))
        return made.to(bridge.over(dtype))


class ModuleBridge(Bridge):
    """A Bridge that also rebuilds the one kind of module that samples pass to a constructor."""

    def over(self, value: Any) -> Any:
        if isinstance(value, torch.nn.TransformerEncoderLayer):
            return self.library.nn.TransformerEncoderLayer(
                value.self_attn.embed_dim,
                value.self_attn.num_heads,
                value.linear1.out_features,
                value.dropout.p,
                super().over(value.activation),
                value.norm1.eps,
                value.self_attn.batch_first,
                value.norm_first,
                value.linear1.bias is not None,
                dtype=super().over(value.linear1.weight.dtype),
            )
        return super().over(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.parameter.UninitializedTensorMixin)


def _outcome(model: Any, sample: Any, library: Any, grad: bool) -> Any:
    bridge = Bridge(library)
    module = model(library)
    args = [bridge.over(a) for a in sample.forward_input.args]
    kwargs = bridge.over(dict(sample.forward_input.kwargs))
    seed(library)
    result = module(*args, **kwargs)
    if not grad:
        return {"result": result, "buffers": list(dict(module.named_buffers()).values())}
    leaves = [t for t in tensors_in([args, kwargs], library) if t.requires_grad]
    results = [t for t in tensors_in(result, library) if t.requires_grad]
    if results:
        library.autograd.backward(results, _cotangents(results, library, 1))
    return {
        "inputs": [leaf.grad for leaf in leaves],
        "parameters": {name: p.grad for name, p in module.named_parameters()},
    }


class Optimizer:
    """One row of `optim_db`, by its public name ``optim.SGD``."""

    def __init__(self, info: Any) -> None:
        self.info = info
        self.name = f"optim.{info.name}"

    def exists(self, library: Any) -> bool:
        return _has(library, self.name)

    def run(self, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
        """Every set of options: parameters after a few steps, and the state dict."""
        if self.info.only_supports_sparse_grads:
            return
        for options in list(self.info.optim_inputs_func(device="cpu"))[:limit]:
            expected = run(_trajectory, self.name, options, dtype, torch)
            got = run(_trajectory, self.name, options, dtype, library)
            found = disagree(expected, got, library, tolerance=10.0)  # roundings add up over the steps
            yield found and f"{options.desc}: {found}"


def _trajectory(name: str, options: Any, dtype: torch.dtype, library: Any) -> Any:
    bridge = Bridge(library)
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 4), (4, 2)] if name == "optim.Muon" else [(3, 4), (4,)]
    start = [torch.randn(s, dtype=dtype, generator=generator) for s in shapes]
    target = [bridge.over(torch.randn(s, dtype=dtype, generator=generator)) for s in shapes]
    parameters = [library.nn.Parameter(bridge.over(s)) for s in start]
    optimizer = resolve(library, name)(parameters, **bridge.over(dict(options.kwargs)))

    def closure() -> Any:
        optimizer.zero_grad()
        loss = sum(((p - t) ** 2).sum() for p, t in zip(parameters, target, strict=True))
        loss.backward()
        return loss

    losses = []
    for _ in range(STEPS):
        if "LBFGS" in name:
            losses.append(optimizer.step(closure))
        else:
            losses.append(closure().detach())
            optimizer.step()
    state = optimizer.state_dict()
    return {
        "losses": losses,
        "parameters": [p.detach() for p in parameters],
        "state": {i: {k: v for k, v in s.items() if k != "step"} for i, s in state["state"].items()}
        if "LBFGS" not in name
        else None,
        "options": sorted(state["param_groups"][0]),
    }


def _has(library: Any, path: str) -> bool:
    try:
        resolve(library, path)
    except AttributeError:
        return False
    return True


def layers(patterns: list[str] | None = None) -> Iterator[Layer]:
    from torch.testing._internal.common_modules import module_db

    yield from (layer for layer in map(Layer, module_db) if matches(layer.name, patterns))


def optimizers(patterns: list[str] | None = None) -> Iterator[Optimizer]:
    from torch.testing._internal.common_optimizers import optim_db

    yield from (o for o in map(Optimizer, optim_db) if matches(o.name, patterns))
