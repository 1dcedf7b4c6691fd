"""Writing in place under autograd: histories of bases and views, refusals, versions, and who notices."""

import pytest

from tests.programs import Table, programs, same

WRITES = Table()


@WRITES
def in_place_on_a_result(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.add_(1).mul_(3)
    y.sum().backward()
    return x.grad, y.grad_fn.name()


@WRITES
def in_place_on_a_leaf(torch):
    torch.ones(2, requires_grad=True).add_(1)


@WRITES
def item_of_a_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    x[0] = 5


@WRITES
def masked_items_of_a_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    x[x > 0] = 5


@WRITES
def augmented_assignment_to_a_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    x += 1


@WRITES
def in_place_on_a_view_of_a_leaf(torch):
    torch.ones(2, 2, requires_grad=True)[0].mul_(2)


@WRITES
def in_place_on_the_data_of_a_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    x.data.mul_(3)
    y.backward()
    return x, x._version


@WRITES
def in_place_on_the_detached_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    x.detach().mul_(3)
    y.backward()


@WRITES
def in_place_under_no_grad(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).sum()
    with torch.no_grad():
        x.mul_(3)
    y.backward()
    return x, x.grad, x.is_leaf


@WRITES
def in_place_under_no_grad_on_what_was_saved(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    with torch.no_grad():
        x.mul_(3)
    y.backward()


@WRITES
def in_place_with_a_leaf_on_the_right(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.ones(2)
    y.mul_(x)
    y.sum().backward()
    return x.grad, y.requires_grad, y.grad_fn.name(), y.is_leaf


@WRITES
def filling_cuts(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.fill_(3)
    (y * x).sum().backward()
    return x.grad, y.grad_fn.name(), y.requires_grad


@WRITES
def zeroing_cuts(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.zero_()
    y.sum().backward()
    return x.grad, y.grad_fn.name()


@WRITES
def copying_into_a_result(torch):
    x, z = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * 2
    y.copy_(z)
    y.sum().backward()
    return x.grad, z.grad, y.grad_fn.name()


@WRITES
def copying_a_constant_into_a_result(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.copy_(torch.ones(2))
    y.sum().backward()
    return x.grad, y.grad_fn.name(), y.requires_grad


@WRITES
def copying_into_a_constant(torch):
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    y = torch.zeros(3, 2)
    y.copy_(x)
    y.sum().backward()
    return x.grad, y.requires_grad


@WRITES
def copying_another_dtype(torch):
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = torch.zeros(2)
    y.copy_(x)
    (y * y).sum().backward()
    return x.grad


@WRITES
def a_write_to_a_view(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    v = y[1:]
    v.mul_(10)
    y.sum().backward()
    return x.grad, y, v, y.grad_fn.name(), v.grad_fn.name(), y.grad_fn.next_functions[0][0].name()


@WRITES
def a_write_to_a_view_seen_by_another_view(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    a, b = y[1:], y[:2]
    a.mul_(10)
    (b * b).sum().backward()
    return x.grad, b, b.grad_fn.name()


@WRITES
def a_write_to_the_base_seen_by_a_view(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    v = y[1:]
    y.mul_(10)
    v.sum().backward()
    return x.grad, v


@WRITES
def a_view_of_a_constant_gets_a_history(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.zeros(3)
    v = y[1:]
    v.copy_(x)
    seen = y.requires_grad, v.requires_grad, y.grad_fn.name(), v.grad_fn.name(), y.is_leaf
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    return seen, x.grad


@WRITES
def a_sibling_view_of_a_constant_gets_a_history(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.zeros(3)
    a, b = y[1:], y[:2]
    a.copy_(x)
    (b * 5).sum().backward()
    return x.grad, b.requires_grad


@WRITES
def an_item_gets_a_history(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = torch.zeros(3)
    y[1] = x * x
    y[2] = y[1] * 3
    y.sum().backward()
    return x.grad, y


@WRITES
def items_by_mask_and_index_get_a_history(torch):
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = torch.zeros(4)
    y[torch.tensor([True, False, True, False])] = x
    y[torch.tensor([1, 3])] = x * 10
    (y * torch.arange(4.0)).sum().backward()
    return x.grad, y, y.grad_fn.name()


@WRITES
def a_loop_that_fills_a_buffer(torch):
    x = torch.tensor([0.5, 0.25], requires_grad=True)
    out = torch.zeros(4, 2)
    h = x
    for i in range(4):
        h = torch.tanh(h * 2)
        out[i] = h
    (out * out).sum().backward()
    return x.grad, out


@WRITES
def a_chain_of_views_is_written(torch):
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    y.t()[1:].t()[0].mul_(5)
    (y * y).sum().backward()
    return x.grad, y


@WRITES
def a_write_to_a_detached_view(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    d = y.detach()
    d[0] = 100
    y.sum().backward()
    return x.grad, y, y._version


@WRITES
def a_write_with_history_to_a_detached_tensor(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.zeros(2)
    d = y.detach()
    d.copy_(x)
    return d.requires_grad, y.requires_grad, y


@WRITES
def several_writes_to_several_views(torch):
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 1
    a, b = y[:3], y[1:]
    a.mul_(2)
    b.add_(a[0])
    a[1] = b[2] * 3
    (y * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    return x.grad, y, a, b


@WRITES
def a_view_made_under_no_grad(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    with torch.no_grad():
        v = y[0]
    v.mul_(2)


@WRITES
def a_view_made_under_no_grad_of_a_constant(torch):
    y = torch.zeros(2)
    with torch.no_grad():
        v = y[0]
    v.mul_(2)
    return y


@WRITES
def an_output_of_unbind_is_written(torch):
    y = torch.ones(2, 2, requires_grad=True) * 2
    a, b = y.unbind(0)
    a.mul_(2)


@WRITES
def an_output_of_split_is_written(torch):
    y = torch.ones(4, requires_grad=True) * 2
    y.split(2)[0].mul_(2)


@WRITES
def an_output_of_chunk_is_written(torch):
    y = torch.ones(4, requires_grad=True) * 2
    y.chunk(2)[1].add_(2)


@WRITES
def an_output_of_unbind_of_a_constant_is_written_with_history(torch):
    x = torch.tensor(1.0, requires_grad=True)
    a, b = torch.zeros(2).unbind(0)
    a.add_(x)


@WRITES
def an_output_of_unbind_of_a_constant_is_written(torch):
    y = torch.zeros(2)
    a, b = y.unbind(0)
    a.add_(1)
    return y


@WRITES
def a_row_in_an_iteration_is_written(torch):
    y = torch.ones(2, 2, requires_grad=True) * 2
    for row in y:
        row.mul_(2)


@WRITES
def saved_and_then_written(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    z.sum().backward()


@WRITES
def a_saved_result_is_written(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


@WRITES
def a_saved_view_is_written_through_its_base(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y[0] * x[1]
    y[1] = 5
    z.backward()


@WRITES
def a_base_is_written_through_a_view_after_it_was_saved(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y[0].add_(1)
    z.backward()


@WRITES
def an_input_that_was_not_saved_is_written(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y + 1
    y.mul_(100)
    z.sum().backward()
    return x.grad


@WRITES
def a_saved_index_is_written(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    i = torch.tensor([0, 2])
    y = x[i]
    i.fill_(1)
    y.sum().backward()


@WRITES
def a_saved_mask_is_written(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    m = x > 1
    y = torch.where(m, x, x * 2)
    m.fill_(False)
    y.sum().backward()


@WRITES
def the_result_of_relu_written_by_relu(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    z = y.relu_()
    z.mul_(3)
    z.sum().backward()


@WRITES
def the_result_of_an_in_place_exp_is_saved(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    y.exp_()
    (y * 1).sum().backward()
    return x.grad


@WRITES
def in_place_mul_by_itself(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    y.mul_(y)
    y.sum().backward()


@WRITES
def in_place_mul_by_a_leaf(torch):
    x, w = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * 2
    y.mul_(w)
    y.sum().backward()
    return x.grad, w.grad


@WRITES
def in_place_mul_by_a_constant(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    y.mul_(torch.tensor([3.0, 4.0]))
    y.sum().backward()
    return x.grad


@WRITES
def in_place_div_by_a_leaf(torch):
    x, w = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * 2
    y.div_(w)
    y.sum().backward()
    return x.grad, w.grad


@WRITES
def in_place_pow(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    y.pow_(2)
    y.sum().backward()


@WRITES
def in_place_clamp(torch):
    x = torch.tensor([1.0, -2.0, 0.2], requires_grad=True)
    y = x * 1
    y.clamp_(-1, 0.5)
    y.sum().backward()


@WRITES
def in_place_sigmoid_and_tanh(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 1
    y.sigmoid_()
    z = x * 1
    z.tanh_()
    (y + z).sum().backward()
    return x.grad


@WRITES
def in_place_masked_fill(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    y.masked_fill_(y < 0, 7.0)
    y.sum().backward()
    return x.grad, y


@WRITES
def in_place_on_a_tensor_used_before_and_after(torch):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x * 2
    a = y + 1
    y.mul_(5)
    b = y + 1
    (a + b).sum().backward()
    return x.grad


@WRITES
def a_failed_write_leaves_everything(torch):
    x = torch.tensor([1.0, 2.0])
    seen = []
    for write in (lambda: x.add_(torch.ones(3)), lambda: x.mul_(1j), lambda: x.copy_(torch.ones(5)), lambda: x.__setitem__(7, 1.0),
                  lambda: x.__setitem__([0, 9], 1.0), lambda: x.clamp_("a"), lambda: x.view(3)):  # fmt: skip
        try:
            write()
        except Exception as e:
            seen.append(type(e).__name__)
    return seen, x, x._version


@WRITES
def random_writes_cut(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.uniform_()
    (y * 0 + x).sum().backward()
    return x.grad


@WRITES
def requires_grad_of_a_view_turned_on(torch):
    y = torch.zeros(2)
    v = y[0]
    v.requires_grad_()
    (v * 2).backward()
    return v.grad, y.requires_grad


@WRITES
def a_write_to_the_base_of_a_view_that_is_a_leaf(torch):
    y = torch.zeros(2)
    v = y[0].requires_grad_()
    y.add_(1)
    return v, v.requires_grad, v.is_leaf


@WRITES
def a_write_to_a_view_that_is_a_leaf(torch):
    y = torch.zeros(2)
    v = y[0].requires_grad_()
    v.add_(1)


@WRITES
def second_order_through_a_written_view(torch):
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    y = x**2
    y[1:].mul_(x[:2])
    (g,) = torch.autograd.grad((y**2).sum(), x, create_graph=True)
    (g.sum()).backward()
    return g, x.grad


@WRITES
def swapping_halves(torch):
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 1
    t = y[:2].clone()
    y[:2] = y[2:].clone()
    y[2:] = t
    (y * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    return x.grad


@WRITES
def a_write_to_real_and_imag(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    z = torch.zeros(2, dtype=torch.complex64)
    z.real = x
    z.imag.copy_(x * 3)
    z.abs().sum().backward()
    return x.grad, z


@WRITES
def the_grad_is_written_in_place(torch):
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    x.grad.mul_(0.5)
    x.grad[0] = 7
    (x * 2).sum().backward()
    return x.grad


@WRITES
def requires_grad_on_an_output_of_out(torch):
    x = torch.ones(2, requires_grad=True)
    torch.add(x, 1, out=torch.zeros(2))


@WRITES
def out_that_requires_grad(torch):
    torch.add(torch.ones(2), 1, out=torch.zeros(2, requires_grad=True))


@WRITES
def out_under_no_grad(torch):
    x = torch.ones(2, requires_grad=True)
    out = torch.zeros(2)
    with torch.no_grad():
        torch.add(x, 1, out=out)
    return out, out.requires_grad


@WRITES
def overlapping_operands(torch):
    x = torch.arange(6.0)
    x[1:].add_(x[:-1])


@WRITES
def the_same_operand_twice(torch):
    x = torch.arange(6.0)
    x.add_(x)
    x[1:].add_(x[1:])
    return x


@WRITES
def disjoint_operands(torch):
    x = torch.arange(6.0)
    x[3:].add_(x[:3])
    return x


@WRITES
def an_overlapping_copy(torch):
    x = torch.arange(6.0)
    x[1:] = x[:-1]
    return x


@WRITES
def a_copy_of_the_flipped_self(torch):
    x = torch.arange(6.0)
    x.copy_(x.flip(0))
    y = torch.arange(4.0).reshape(2, 2)
    y.copy_(y.t())
    return x


@programs(WRITES)
def test_writes(program):
    same(program)


DTYPES = {
    "float + int": lambda torch: torch.ones(2).add_(torch.ones(2, dtype=torch.int64)),
    "int + float": lambda torch: torch.ones(2, dtype=torch.int64).add_(torch.ones(2)),
    "int + float number": lambda torch: torch.ones(2, dtype=torch.int64).add_(1.5),
    "int * float number": lambda torch: torch.ones(2, dtype=torch.int64).mul_(1.5),
    "int / int": lambda torch: torch.ones(2, dtype=torch.int64).div_(2),
    "int /= int": lambda torch: torch.ones(2, dtype=torch.int64).__itruediv__(2),
    "int // int": lambda torch: torch.full((2,), 7).floor_divide_(2),
    "bool + int": lambda torch: torch.ones(2, dtype=torch.bool).add_(1),
    "bool | bool": lambda torch: torch.ones(2, dtype=torch.bool).__ior__(False),
    "float + complex": lambda torch: torch.ones(2).add_(1j),
    "float + double": lambda torch: torch.ones(2).add_(torch.ones(2, dtype=torch.float64)),
    "half + float": lambda torch: torch.ones(2, dtype=torch.float16).add_(torch.ones(2)),
    "uint8 + int": lambda torch: torch.full((2,), 250, dtype=torch.uint8).add_(10),
    "uint8 + negative": lambda torch: torch.full((2,), 5, dtype=torch.uint8).add_(-10),
    "int8 + tensor": lambda torch: torch.full((2,), 100, dtype=torch.int8).add_(torch.full((2,), 100)),
    "exp of ints": lambda torch: torch.ones(2, dtype=torch.int64).exp_(),
    "comparison in place": lambda torch: torch.arange(3.0).gt_(1),
    "logical_not in place": lambda torch: torch.arange(3.0).logical_not_(),
    "broadcasting self": lambda torch: torch.ones(3).add_(torch.ones(2, 3)),
    "broadcasting self in one dim": lambda torch: torch.ones(1, 3).add_(torch.ones(2, 3)),
    "broadcasting other": lambda torch: torch.ones(2, 3).add_(torch.arange(3.0)),
    "shapes that do not fit": lambda torch: torch.ones(2, 3).add_(torch.ones(2)),
    "copy_ from too many": lambda torch: torch.ones(2).copy_(torch.ones(3)),
    "copy_ from more dims": lambda torch: torch.ones(2).copy_(torch.ones(2, 2)),
    "copy_ from a number's shape": lambda torch: torch.ones(2).copy_(torch.tensor(5)),
    "copy_ from a list": lambda torch: torch.ones(2).copy_([1, 2]),
    "copy_ complex into real": lambda torch: torch.ones(2).copy_(torch.tensor([1 + 2j, 3])),
    "fill_ with a tensor": lambda torch: torch.ones(2).fill_(torch.tensor(3)),
    "fill_ with several": lambda torch: torch.ones(2).fill_(torch.ones(2)),
    "fill_ with a string": lambda torch: torch.ones(2).fill_("a"),
    "fill_ beyond": lambda torch: torch.ones(2, dtype=torch.uint8).fill_(300),
    "fill_ a float into ints": lambda torch: torch.ones(2, dtype=torch.int32).fill_(2.9),
    "fill_ a complex into floats": lambda torch: torch.ones(2).fill_(1j),
    "+= of a list": lambda torch: torch.ones(2).__iadd__([1, 2]),
    "alpha": lambda torch: torch.ones(2).add_(torch.ones(2), alpha=3),
    "a float alpha for ints": lambda torch: torch.ones(2, dtype=torch.int64).add_(torch.ones(2, dtype=torch.int64), alpha=1.5),
    "a 0-d double into float": lambda torch: torch.ones(2).add_(torch.tensor(1.0, dtype=torch.float64)),
    "into a 0-d tensor": lambda torch: torch.tensor(1.0).add_(torch.ones(1)),
    "returns self": lambda torch: (lambda x: [x.add_(1) is x, x.mul_(2) is x, x.zero_() is x, x.fill_(1) is x, x.copy_(x) is x, x.clamp_(0) is x])(torch.ones(2)),
}  # fmt: skip


@programs(DTYPES)
def test_dtypes_and_shapes(program):
    same(program)


OUTS = Table()


@OUTS
def out_of_the_right_shape(torch):
    out = torch.empty(3)
    return torch.add(torch.ones(3), 1, out=out) is out, out, out._version


@OUTS
def out_is_resized_from_nothing(torch):
    out = torch.empty(0)
    torch.add(torch.ones(2, 3), 1, out=out)
    return out, out.stride()


@OUTS
def out_is_resized_with_a_warning(torch):
    out = torch.empty(5)
    torch.add(torch.ones(2, 3), 1, out=out)
    return out


@OUTS
def out_of_a_wider_dtype(torch):
    return torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.float64))


@OUTS
def out_of_a_narrower_dtype(torch):
    return torch.add(torch.ones(2, dtype=torch.float64), 1, out=torch.empty(2))


@OUTS
def out_of_ints_for_floats(torch):
    torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.int64))


@OUTS
def out_of_floats_for_ints(torch):
    return torch.add(torch.ones(2, dtype=torch.int64), 1, out=torch.empty(2))


@OUTS
def out_of_floats_for_bools(torch):
    return torch.gt(torch.ones(2), 0, out=torch.empty(2))


@OUTS
def out_that_is_a_view(torch):
    base = torch.zeros(2, 3)
    torch.add(torch.ones(3), 1, out=base[1])
    return base


@OUTS
def out_that_is_transposed(torch):
    base = torch.zeros(3, 2)
    torch.add(torch.arange(6.0).reshape(2, 3), 1, out=base.t())
    return base


@OUTS
def out_that_is_an_input(torch):
    x = torch.arange(3.0)
    torch.exp(x, out=x)
    return x


@OUTS
def out_that_overlaps_an_input(torch):
    x = torch.arange(4.0)
    torch.add(x[1:], 1, out=x[:-1])


@OUTS
def out_of_two_results(torch):
    values, indices = torch.empty(0), torch.empty(0, dtype=torch.int64)
    made = torch.sort(torch.tensor([3.0, 1.0, 2.0]), out=(values, indices))
    return values, indices, made.values is values


@OUTS
def out_of_too_few_results(torch):
    torch.sort(torch.tensor([3.0, 1.0, 2.0]), out=(torch.empty(0),))


@OUTS
def out_expanded(torch):
    torch.add(torch.ones(2, 3), 1, out=torch.zeros(1, 3).expand(2, 3))


@OUTS
def out_by_reduction(torch):
    out = torch.empty(())
    torch.sum(torch.ones(3), dim=0, out=out)
    return out


@OUTS
def out_by_creation(torch):
    return torch.zeros(3, out=torch.empty(0)), torch.arange(4, out=torch.empty(4)), torch.ones(2, 2, out=torch.empty(0))


@OUTS
def out_by_matmul(torch):
    out = torch.empty(2, 2)
    torch.mm(torch.ones(2, 3), torch.ones(3, 2), out=out)
    return out


@OUTS
def out_by_cat(torch):
    out = torch.empty(0)
    torch.cat([torch.ones(2), torch.zeros(1)], out=out)
    return out


@programs(OUTS)
def test_out(program):
    same(program, warned=True)


#: Between the write that saves its result in a view and the one that spoils it.
USES = {
    "nothing": lambda view, base: None,
    "a view of it": lambda view, base: view.unsqueeze(0),
    "an op": lambda view, base: view * 2,
    "an op whose result is dropped": lambda view, base: (view * 2, None)[1],
    "its grad_fn": lambda view, base: view.grad_fn,
    "its base": lambda view, base: base + 1,
    "another view of its base": lambda view, base: base.view_as(base) * 2,
}
VIEWS = {"turned": lambda t: t.mT, "row": lambda t: t[0], "part of a row": lambda t: t[0][1:], "flat": lambda t: t.view(-1)}
ENDS = {
    "base written, view summed": lambda view, base: (base.add_(1), view.sum()),
    "base written, base summed": lambda view, base: (base.add_(1), base.sum()),
    "view written, view summed": lambda view, base: (view.add_(1), view.sum()),
    "view written, base summed": lambda view, base: (view.add_(1), base.sum()),
    "view set to zero": lambda view, base: (view.zero_(), view.sum()),
    "part of the view written": lambda view, base: (view[0].mul_(2), view.sum()),
    "part of the view filled": lambda view, base: (view.__setitem__(0, 1), view.sum()),
    "view filled by a mask": lambda view, base: (view.__setitem__(view > 0, 1), view.sum()),
    "view summed first": lambda view, base: (view.sum(), base.add_(1))[::-1],
}


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
@pytest.mark.parametrize("make", VIEWS.values(), ids=list(VIEWS))
def test_who_is_named_when_a_result_in_a_view_was_written_to(make, use) -> None:
    def program(torch):
        said = []
        for write in ("tanh_", "exp_", "relu_"):
            for end in ENDS.values():
                base = torch.tensor([[1.0, -1.5, 2.0], [0.5, 2.0, -0.5]], requires_grad=True) * 1
                view = make(base)
                getattr(view, write)()
                used = use(view, base)
                _, total = end(view, base)
                with pytest.raises(RuntimeError) as refused:
                    total.backward()
                said.append(str(refused.value))
                del used
        return said

    same(program)


@pytest.mark.parametrize("make", [lambda t: t[0], lambda t: t.as_strided((2,), (0,))], ids=["row", "expanded"])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_copying_into_a_view_made_without_grad(make, dtype) -> None:
    def program(torch):
        whole = torch.zeros(2, 2, dtype=getattr(torch, dtype))
        with torch.no_grad():
            view = make(whole)
        view.copy_(torch.ones(2, requires_grad=True))
        return whole, view.requires_grad

    same(program)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("second", [lambda t: t.mul_(2), lambda t: t.zero_(), lambda t: t.sin_()], ids=["mul_", "zero_", "sin_"])
def test_which_node_is_named_when_the_graph_is_kept(second, keep) -> None:
    def program(torch):
        base = torch.ones(2, 2, requires_grad=True) * 1
        view = base[0].exp_()
        second(view)
        base.sum().backward(retain_graph=keep)

    same(program)


@pytest.mark.parametrize(
    "write", [lambda t: t.mul_(2), lambda t: t.zero_(), lambda t: t.copy_(t.detach() + 1)], ids=["mul_", "zero_", "copy_"]
)
@pytest.mark.parametrize("view", [lambda t: t[:], lambda t: t.unsqueeze(0)], ids=["all", "unsqueezed"])
def test_a_view_made_without_grad_of_a_base_without_history_may_be_written_to(view, write) -> None:
    def program(torch):
        base = torch.tensor([1.0, 2.0], requires_grad=True) * 1
        part = base.unsqueeze(0)
        part *= 2
        base.detach_()
        with torch.no_grad():
            seen = view(part)
        write(seen)
        return seen, seen.requires_grad, part.requires_grad, base

    same(program)
