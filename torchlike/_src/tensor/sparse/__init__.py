"""Sparse tensors: handles on a few dense tensors, of indices and of values.

Where an element stands is decided on the host, in NumPy (`patterns.py`): how many there are decides the shapes of
everything else, which XLA must know. What the elements are stays recorded, so that gradients come from the tape of the
values: a sparse tensor requires grad if its values do, and its gradient has its pattern.

How an op finds its way here: a sparse handle has no value to read, so that `dispatch.record` gets `NotStrided` from it and
asks `rules.answer`, which looks the op up in a table. What is in no table is an error; the dense path pays nothing.

`jax.experimental.sparse` is not used: its BCOO would do the same gather and segment sum on CPU, has no CSR beyond two
dimensions, no reductions but sums, and pads results whose size depends on data, which torch does not.
"""

from torchlike._src.tensor.sparse import creation as creation, gradients as gradients
from torchlike._src.tensor.sparse.functions import install as install
