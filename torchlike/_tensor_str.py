"""``torch._tensor_str``: how tensors are shown."""

from torchlike._src.tensor.printing import set_printoptions as set_printoptions
