"""torch.return_types: the named tuples that ops with several results return."""

from typing import Any

_made: dict[str, type] = {}


def named(name: str, fields: tuple[str, ...]) -> type:
    """The named tuple class of an op: ``named("max", ("values", "indices"))``."""
    name = name.strip("_").removesuffix("_dim")  # several ops, of which one returns a tuple, share a public name
    found = _made.get(name)
    if found is None:
        space: dict[str, Any] = {f: property(lambda self, i=i: self[i]) for i, f in enumerate(fields)}

        def represent(self: Any) -> str:
            pad = ",\n"
            return f"torch.return_types.{name}(\n" + pad.join(f"{f}={v!r}" for f, v in zip(fields, self, strict=True)) + ")"

        space |= {
            "__repr__": represent, "__slots__": (), "__module__": "torch.return_types", "_fields": fields,
            "n_fields": len(fields), "n_sequence_fields": len(fields),
            "__reduce__": lambda self: (_rebuild, (name, fields, tuple(self))),
        }  # fmt: skip
        found = _made[name] = type(name, (tuple,), space)
    return found


def _rebuild(name: str, fields: tuple[str, ...], items: tuple[Any, ...]) -> Any:
    return named(name, fields)(items)


def __getattr__(name: str) -> type:
    if name in _made:
        return _made[name]
    raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
