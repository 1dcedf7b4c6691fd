"""Speed of training steps: torchlike against hand-written JAX and eager torch. See `__main__`."""
