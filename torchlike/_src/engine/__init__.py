"""The engine: value → trace → program → run. Knows nothing of torch."""

from torchlike._src.engine import host

host.configure()


def synchronize() -> None:
    """Run what this thread recorded, and wait until all devices are done."""
    import jax

    from torchlike._src.engine.trace import local

    local.recorder.flush("synchronize()")
    jax.effects_barrier()
    for array in jax.live_arrays():
        array.block_until_ready()
