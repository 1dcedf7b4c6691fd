"""Gradients of operands that are not what the result is: of another shape, another dtype, or otherwise in memory."""

import pytest

from tests.programs import same


def leaf(torch, *shape, start=0.3, dtype=None):
    """A leaf with different values, of which none is special to the functions below."""
    count = 1
    for n in shape:
        count *= n
    values = (torch.arange(count, dtype=torch.float64) * 0.37 + start) % 1.7 + 0.2
    return values.reshape(shape).to(dtype or torch.float32).requires_grad_()


def gradients(torch, result, *leaves):
    """The result, and the leaves' gradients for a cotangent without symmetry."""
    cotangent = (torch.arange(result.numel(), dtype=torch.float64).reshape(result.shape) * 0.11 + 0.5).to(result.dtype)
    result.backward(cotangent)
    return [result.detach(), *[t.grad for t in leaves]]


BROADCAST = {
    "where": (lambda torch, a, b: torch.where(a > 0.9, a, b), (3, 1), (1, 4)),
    "maximum": (lambda torch, a, b: torch.maximum(a, b), (2, 3, 1), (4,)),
    "atan2": (lambda torch, a, b: torch.atan2(a, b), (4,), (3, 1)),
    "pow": (lambda torch, a, b: a**b, (2, 1, 3), (4, 1)),
    "remainder": (lambda torch, a, b: torch.remainder(a, b), (3, 1), (2,)),
    "hypot": (lambda torch, a, b: torch.hypot(a, b), (3,), ()),
    "lerp": (lambda torch, a, b, w: torch.lerp(a, b, w), (3, 1), (1, 4), (4,)),
    "addcmul": (lambda torch, a, b, c: torch.addcmul(a, b, c, value=0.5), (1,), (3, 1), (2,)),
    "addcdiv": (lambda torch, a, b, c: torch.addcdiv(a, b, c, value=0.5), (3, 2), (2,), (3, 1)),
    "clamp": (lambda torch, a, low, high: torch.clamp(a, low * 0.7, high), (3, 4), (4,), (3, 1)),
    "clamp by one bound": (lambda torch, a, low: torch.clamp(a, min=low), (4,), (3, 1)),
    "masked_fill by a tensor": (lambda torch, a, v: a.masked_fill(torch.tensor([True, False, True]), v), (2, 3), ()),
    "masked_fill to a larger shape": (lambda torch, a, v: a.masked_fill(torch.ones(2, 3) > 0, v), (3,), ()),
    "masked_scatter": (lambda torch, a, v: a.masked_scatter(torch.tensor([True, False, True]), v), (2, 3), (5,)),
    "index_put": (lambda torch, a, v: a.index_put((torch.tensor([0, 2, 0]),), v, accumulate=True), (3, 2), (2,)),
    "addmm": (lambda torch, a, b, c: torch.addmm(a, b, c), (3,), (2, 4), (4, 3)),
    "addmv": (lambda torch, a, b, c: torch.addmv(a, b, c), (1,), (2, 4), (4,)),
    "baddbmm": (lambda torch, a, b, c: torch.baddbmm(a, b, c, beta=2), (1, 3), (2, 2, 4), (2, 4, 3)),
    "addr": (lambda torch, a, b, c: torch.addr(a, b, c), (), (2,), (3,)),
    "matmul of batches": (lambda torch, a, b: a @ b, (2, 1, 3, 4), (5, 4, 2)),
    "matmul of a vector and batches": (lambda torch, a, b: a @ b, (4,), (5, 4, 2)),
    "matmul of batches and a vector": (lambda torch, a, b: a @ b, (2, 5, 4), (4,)),
    "einsum": (lambda torch, a, b: torch.einsum("...ij,...jk->...ik", a, b), (2, 1, 3, 4), (5, 4, 2)),
    "cross": (lambda torch, a, b: torch.linalg.cross(a, b), (4, 3), (1, 3)),
    "cdist": (lambda torch, a, b: torch.cdist(a, b), (1, 3, 2), (4, 2, 2)),
    "solve": (lambda torch, a, b: torch.linalg.solve(a + 3 * torch.eye(3), b), (2, 3, 3), (3, 2)),
    "triangular solve": (
        lambda torch, a, b: torch.linalg.solve_triangular(a.tril() + torch.eye(3), b, upper=False), (2, 3, 3), (1, 3, 2)
    ),
    "bilinear": (lambda torch, a, b, w: torch.nn.functional.bilinear(a, b, w), (2, 3), (2, 4), (5, 3, 4)),
    "mse_loss": (lambda torch, a, b: torch.nn.functional.mse_loss(a, b.expand(3, 4)), (3, 4), (4,)),
    "gaussian_nll_loss": (lambda torch, a, b, v: torch.nn.functional.gaussian_nll_loss(a, b, v, full=True), (3, 4), (3, 4), (3, 1)),
    "cosine_similarity": (lambda torch, a, b: torch.nn.functional.cosine_similarity(a, b, dim=-1), (3, 1, 4), (2, 4)),
    "expand": (lambda torch, a: a.expand(2, 3, 4) * torch.arange(4.0), (3, 1)),
    "expand twice": (lambda torch, a: a.expand(3, 4).unsqueeze(0).expand(2, 3, 4).cumsum(1), (1, 4)),
    "broadcast_to and sum": (lambda torch, a: torch.broadcast_to(a, (2, 3)).sum(0), (3,)),
    "repeat_interleave": (lambda torch, a: a.repeat_interleave(torch.tensor([2, 0, 1]), 0), (3, 2)),
    "written into a view": (lambda torch, a, b: _written(torch, a, b), (3, 4), (4,)),
    "added in place": (lambda torch, a, b: (a * 2).add_(b, alpha=3), (3, 4), (3, 1)),
    "copied in place": (lambda torch, a, b: (a * 2).copy_(b), (3, 4), (3, 1)),
    "scaled_dot_product_attention": (
        lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v), (2, 3, 4), (1, 5, 4), (2, 5, 4)
    ),
}  # fmt: skip


def _written(torch, a, b):
    made = a * 1
    made[1:] = b
    made[:, ::2] *= b[::2]
    return made


@pytest.mark.parametrize("name", list(BROADCAST))
def test_gradients_of_broadcast_operands_have_their_shapes(name):
    function, *shapes = BROADCAST[name]

    def program(torch):
        leaves = [leaf(torch, *shape, start=0.3 + i) for i, shape in enumerate(shapes)]
        return gradients(torch, function(torch, *leaves), *leaves)

    same(program, strides=False)


DTYPES = {
    "float32 and float64": ("float32", "float64"),
    "float16 and float32": ("float16", "float32"),
    "bfloat16 and float32": ("bfloat16", "float32"),
    "float16 and bfloat16": ("float16", "bfloat16"),
    "float32 and complex64": ("float32", "complex64"),
    "complex64 and float64": ("complex64", "float64"),
    "float64 and complex64": ("float64", "complex64"),
}
MIXED = {
    "add": lambda torch, a, b: torch.add(a, b, alpha=2),
    "multiply": lambda torch, a, b: a * b,
    "divide": lambda torch, a, b: a / b,
    "power": lambda torch, a, b: a**b,
    "where": lambda torch, a, b: torch.where(torch.tensor([True, False, True]), a, b),
    "cat": lambda torch, a, b: torch.cat([a, b]),
    "stack": lambda torch, a, b: torch.stack([a, b], 1),
    "cast": lambda torch, a, b: a.to(b.dtype) * b,
    "copy": lambda torch, a, b: torch.zeros_like(a).copy_(b),
}


#: The backward of torch's `where` of a real and a complex tensor fails on an assertion of its own.
PAIRS = [(name, dtypes) for name in MIXED for dtypes in DTYPES if name != "where" or "complex" not in dtypes]


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize(("name", "dtypes"), PAIRS)
def test_gradients_of_operands_of_mixed_dtypes_have_their_dtypes(name, dtypes):
    def program(torch):
        a, b = (leaf(torch, 3, start=0.3 + i, dtype=getattr(torch, d)) for i, d in enumerate(DTYPES[dtypes]))
        return gradients(torch, MIXED[name](torch, a, b), a, b)

    same(program)


@pytest.mark.parametrize("name", ["add", "multiply", "divide", "power"])
def test_gradients_of_a_scalar_tensor_of_a_wider_dtype_have_that_dtype(name):
    def program(torch):
        a, b = leaf(torch, 3, dtype=torch.float32), leaf(torch, dtype=torch.float64)
        return gradients(torch, MIXED[name](torch, a, b), a, b)

    same(program)


INTEGERS = {
    "requires_grad_": lambda torch, x, k: k.requires_grad_(),
    "made to require it": lambda torch, x, k: torch.tensor([1, 2], requires_grad=True),
    "bools": lambda torch, x, k: (k > 0).requires_grad_(),
    "product": lambda torch, x, k: gradients(torch, x * k, x),
    "quotient": lambda torch, x, k: gradients(torch, k / x, x),
    "power": lambda torch, x, k: gradients(torch, x**k, x),
    "integer to a power": lambda torch, x, k: gradients(torch, k**x, x),
    "mask": lambda torch, x, k: gradients(torch, x * (k > 1), x),
    "where": lambda torch, x, k: gradients(torch, torch.where(k > 1, x, k), x),
    "there and back": lambda torch, x, k: [(x * 3).int().float().requires_grad, (x * 3).int().requires_grad],
    "indices of a sort": lambda torch, x, k: [t.requires_grad for t in torch.sort(x)],
    "places of maxima": lambda torch, x, k: [x.argmax().requires_grad, x.max(0).indices.requires_grad],
    "comparison": lambda torch, x, k: [(x > 1).requires_grad, torch.sign(x).requires_grad, torch.isnan(x).requires_grad],
    "cumsum of a mask": lambda torch, x, k: gradients(torch, (k > 1).cumsum(0) * x, x),
    "matmul with integers cast": lambda torch, x, k: gradients(torch, x @ k.to(x.dtype), x),
    "leaf among integers": lambda torch, x, k: torch.autograd.grad((x * k).sum(), [x, k]),
    "integer cotangent": lambda torch, x, k: (x * 2).backward(k),
    "bool cotangent": lambda torch, x, k: [(x * 2).backward(k > 1), x.grad],
    "stack of both": lambda torch, x, k: gradients(torch, torch.stack([x, k.to(x.dtype)]), x),
    "cat of both": lambda torch, x, k: gradients(torch, torch.cat([x, k]), x),
    "embedding": lambda torch, x, k: gradients(torch, torch.nn.functional.embedding(k, x.reshape(3, 1)), x),
    "add of a bool": lambda torch, x, k: gradients(torch, x + (k > 1), x),
    "in place into integers": lambda torch, x, k: k.add_(x),
    "copied into integers": lambda torch, x, k: k.copy_(x).requires_grad,
}  # fmt: skip


@pytest.mark.parametrize("name", list(INTEGERS))
def test_integers_and_bools_beside_what_requires_grad(name):
    def program(torch):
        return INTEGERS[name](torch, leaf(torch, 3), torch.tensor([0, 1, 2]))

    same(program)


MEMORY = {
    "transposed": lambda torch: leaf(torch, 3, 4).detach().t().requires_grad_(),
    "every second": lambda torch: leaf(torch, 3, 8).detach()[:, ::2].t().requires_grad_(),
    "expanded": lambda torch: leaf(torch, 1, 3).detach().expand(4, 3).requires_grad_(),
    "flipped": lambda torch: leaf(torch, 4, 3).detach().flip(0).t().contiguous().t().requires_grad_(),
    "with an offset": lambda torch: leaf(torch, 6, 5).detach()[2:, 1:4].requires_grad_(),
}
USES = {
    "square": lambda torch, x: x * x,
    "sum": lambda torch, x: x.sum(1),
    "matmul": lambda torch, x: x @ torch.arange(6.0).reshape(3, 2),
    "reshape": lambda torch, x: x.reshape(2, 6).tanh(),
    "transpose": lambda torch, x: x.t().exp(),
    "index": lambda torch, x: x[torch.tensor([0, 0, 2])],
    "clone": lambda torch, x: x.clone().mul_(2),
    "softmax": lambda torch, x: x.softmax(0),
}


@pytest.mark.parametrize("memory", list(MEMORY))
@pytest.mark.parametrize("use", list(USES))
def test_gradients_of_leaves_that_are_not_contiguous(memory, use):
    def program(torch):
        x = MEMORY[memory](torch)
        return gradients(torch, USES[use](torch, x), x)

    same(program)


def test_gradients_of_channels_last_leaves_lie_as_the_leaves():
    def program(torch):
        x = leaf(torch, 2, 3, 4, 4).detach().to(memory_format=torch.channels_last).requires_grad_()
        w = leaf(torch, 5, 3, 3, 3).detach().to(memory_format=torch.channels_last).requires_grad_()
        torch.nn.functional.conv2d(x, w, padding=1).tanh().sum().backward()
        return x.grad, w.grad

    same(program)


@pytest.mark.parametrize("upper", [False, True])
def test_the_gradient_of_a_complex_cholesky_is_torchs_beyond_its_hermitian_part(upper):
    def program(torch):
        x = leaf(torch, 3, 3, dtype=torch.complex128)
        A = (x + 1j * x.T @ x).detach()
        A = (A @ A.mH + torch.eye(3)).requires_grad_()
        L = torch.linalg.cholesky(A, upper=upper)
        L.backward((L * (1 + 2j)).detach())
        return L.detach(), A.grad

    same(program, strides=False)
