"""What random programs (`tests/test_random_programs.py`) found to differ from torch, each in its smallest form."""

import pytest

from tests.programs import Table, programs, same
from tests.test_random_programs import Program


def _facts(*tensors):
    return [(t.requires_grad, t.grad_fn and t.grad_fn.name(), t.is_leaf, t._version, t._is_view(), t.output_nr) for t in tensors]


def _leaf(torch, *shape):
    return torch.ones(shape, requires_grad=True)


FOUND = Table()


@FOUND
def index_add_to_a_matrix_takes_rows_that_are_on_the_host(torch):
    x = torch.zeros(3, 2)
    return x.index_add_(0, torch.tensor([2]), torch.ones(1, 2)), x.index_add(1, torch.tensor([0]), torch.ones(3, 1), alpha=2)


@FOUND
def index_add_names_a_row_that_is_not_there(torch):
    return torch.zeros(3, 2).index_add_(0, torch.tensor([5]), torch.ones(1, 2))


@FOUND
def index_add_of_another_factor_names_it_otherwise(torch):
    return torch.zeros(3, 2).index_add_(0, torch.tensor([5]), torch.ones(1, 2), alpha=2)


@FOUND
def what_is_filled_in_gets_its_gradient(torch):
    x, v = _leaf(torch, 3) * 1, torch.tensor(2.0, requires_grad=True)
    x.fill_(v)
    x.sum().backward()
    return _facts(x), v.grad


@FOUND
def a_scalar_tensor_that_is_assigned_gets_its_gradient(torch):
    x, v = _leaf(torch, 3) * 1, torch.tensor(2.0, requires_grad=True)
    x[1:] = v
    x.sum().backward()
    return _facts(x), v.grad


@FOUND
def what_is_assigned_is_viewed_and_expanded(torch):
    made = []
    for shape in ((), (3,), (1, 1, 3), (1, 2, 3)):
        x, v = _leaf(torch, 2, 3) * 1, _leaf(torch, *shape)
        x[0:2] = v
        made.append(x.grad_fn.next_functions[-1][0].name())
    return made


@FOUND
def assigning_part_of_a_tensor_to_itself(torch):
    x = torch.arange(6.0).view(3, 2)
    x[0:2] = x[2]
    return x


@FOUND
def writing_back_what_was_written_in_place_counts_as_a_write(torch):
    x, y = torch.ones(3), _leaf(torch, 3) * 1
    x[0] += 1
    y[0] += 1
    y.sum().backward()
    return _facts(x, y)


@FOUND
def a_copy_to_itself_is_a_write(torch):
    x, y = torch.ones(3), _leaf(torch, 3) * 1
    v = y.view(1, 3)
    v.copy_(v)
    return _facts(x.copy_(x), y, v)


@FOUND
def copying_a_detached_view_of_itself_cuts_the_history(torch):
    a = _leaf(torch, 3)
    x = a * 2
    x[0:2] = x.detach()[0:2]
    x.sum().backward()
    return a.grad


@FOUND
def comparisons_in_place_have_a_history(torch):
    made = []
    for name, other in (("eq_", 1), ("lt_", torch.ones(3)), ("eq_", _leaf(torch, 3))):
        a = _leaf(torch, 3)
        x = a * 1
        getattr(x, name)(other)
        x.sum().backward()
        made.append((_facts(x), a.grad))
    return made


@FOUND
def logical_operations_in_place_are_not_noticed(torch):
    x, leaf = _leaf(torch, 3) * 1, _leaf(torch, 3)
    return _facts(x.logical_not_(), leaf.logical_and_(torch.zeros(3))), leaf.detach()


@FOUND
def an_argument_of_a_method_is_counted_without_the_tensor(torch):
    torch.ones(3).logical_and_(1)


@FOUND
def views_made_without_grad_require_it_to_nobodys_use(torch):
    a = _leaf(torch, 2, 3)
    with torch.no_grad():
        views = [a.view(6), a[0], a.t(), a.expand(2, 2, 3), a.detach()]
    y = views[0] * 2
    y.sum().backward()
    return _facts(*views, y), a.grad, views[0].grad


@FOUND
def a_view_of_such_a_view_names_its_origin_when_written_to(torch):
    a = _leaf(torch, 3)
    with torch.no_grad():
        v = a.view(3)
    v[...].add_(1)


@FOUND
def histories_of_views_in_place(torch):
    def of(write):
        x = _leaf(torch, 3, 1) * 1
        write(x)
        return x.grad_fn.name()

    return [
        of(write)
        for write in (
            lambda x: x.t_(), lambda x: x.transpose_(0, 1), lambda x: x.squeeze_(), lambda x: x.squeeze_(1),
            lambda x: x.squeeze_((0, 1)), lambda x: x.unsqueeze_(0), lambda x: x.as_strided_((1,), (1,)),
        )
    ]  # fmt: skip


@FOUND
def copies_over_what_became_a_view_of_itself(torch):
    found = []
    for become in ("squeeze_", "t_", "unsqueeze_"):
        for value in (torch.tensor(-1), torch.tensor(3.0), torch.ones(1, requires_grad=True)):
            leaf = _leaf(torch, 1)
            x = leaf * 2
            getattr(x, become)(*([0] if become == "unsqueeze_" else []))
            x.copy_(value.reshape(x.shape))
            x.sum().backward()
            found += [leaf.grad, value.grad, *_facts(x)]
    return found


@FOUND
def histories_of_plain_views(torch):
    x = _leaf(torch, 3, 1)
    views = x[:], x[...], x[()], x[:, :], x.squeeze((0, 1)), x.t().reshape(3, 1), x[:, 0].reshape(3, 1), x.sum().movedim(0, 0)
    return [v.grad_fn.name() for v in (*views, x[-3:, :], x[None, -3:])]


@FOUND
def numbers_that_are_assigned_to_all(torch):
    x, y = _leaf(torch, 3) * 1, _leaf(torch) * 1
    x[...] = 2
    y[()] = 2
    return _facts(x, y)


@FOUND
def views_as_another_dtype_have_no_history(torch):
    x = _leaf(torch, 4, 4)
    views = [x.view(d) for d in (torch.float32, torch.float64, torch.int32, torch.uint8, torch.complex64)]
    return _facts(*views)


@FOUND
def a_view_as_a_wider_dtype_wants_even_strides(torch):
    return torch.zeros(2, 0).view(torch.float64)


@FOUND
def outputs_of_several_views_are_numbered(torch):
    x = _leaf(torch, 2, 2)
    return _facts(*x.unbind(0), *x.split(1), *x.chunk(2), *x.tensor_split(2), *torch.ones(2, 2).unbind(0))


@FOUND
def a_view_knows_that_its_base_requires_grad_by_now(torch):
    base = torch.ones(3)
    early = base.view(3)
    base.mul_(2)
    late = base.view(3)
    base.requires_grad_()
    y = early * late
    y.sum().backward()
    return _facts(early, late, y), base.grad


@FOUND
def writes_through_data_leave_histories_alone(torch):
    x = _leaf(torch, 2, 3)
    v = x.t()
    x.data.add_(1)
    v.sum().backward()
    return _facts(v), v, x.grad


@FOUND
def a_view_as_reals_keeps_its_name_when_its_base_is_written_to(torch):
    x = torch.ones(3, dtype=torch.complex64, requires_grad=True) * 1
    views = torch.view_as_real(x), x.imag, x.conj()
    x.add_(1)
    return [v.grad_fn.name() for v in views]


@FOUND
def a_view_of_a_tensor_turned_in_place(torch):
    x = torch.ones(2, 3)
    x.t_()
    v, w = x.unfold(0, 1, 1), x.as_strided((2,), (1,))
    v.add_(1)
    return v._base is x, w._base is x, x._is_view(), x


@FOUND
def detaching_in_place_after_turning_in_place(torch):
    x = torch.ones(2, 3).t_()
    return _facts(x.detach_())


@FOUND
def an_in_place_operation_with_a_wider_tensor(torch):
    a, b = torch.ones(3), torch.ones(3, dtype=torch.float64, requires_grad=True)
    c = a / 2
    a.mul_(b)
    (a + c).sum().backward()
    return a.grad_fn.name(), b.grad


@FOUND
def assigning_by_a_mask_has_index_puts_history(torch):
    x = _leaf(torch, 3) * 1
    x[torch.tensor([True, False, True])] = 1
    return x.grad_fn.name()


@FOUND
def memory_shared_with_numpy_after_a_broadcast_write(torch):
    x = torch.ones(2, 3)
    x.copy_(torch.tensor([0, -1, -2], dtype=torch.int32))
    strides = x.numpy().strides
    x.as_strided((3,), (1,), 1).scatter_add_(0, torch.tensor([0]), torch.tensor([0.5]))
    return strides, x


@FOUND
def writing_to_windows_on_a_0d_tensor(torch):
    x = torch.tensor(1.0)
    x.unfold(0, 1, 1).add_(torch.ones(1))
    return x


@FOUND
def writing_to_a_part_of_a_view_that_shows_elements_twice(torch):
    x, y = torch.arange(6.0), _leaf(torch, 2, 3) * 1
    x.as_strided((2, 2), (1, 1), 0)[:, 1].add_(10)
    y.t().unfold(0, 2, 1)[0].mul_(3)
    y.sum().backward()
    return x, y


@FOUND
def an_expanded_tensor_can_be_copied_to_itself(torch):
    x = torch.ones(3, 1).expand(3, 2)
    return x.copy_(x)._version


@FOUND
def joining_nothing_but_empty_vectors(torch):
    return torch.cat([torch.zeros(0), torch.zeros(0)], 5), torch.cat([torch.zeros(0), torch.zeros(2, 3)], -1)


@FOUND
def backward_of_integers_says_that_they_require_no_grad(torch):
    torch.ones(3, dtype=torch.int64).sum().backward()


@FOUND
def a_saved_result_of_a_second_overload_is_named_with_its_number(torch):
    y = _leaf(torch, 1, 4).prod(0)
    y.fill_(1)
    y.sum().backward()
    z = torch.ones(2, dtype=torch.complex64, requires_grad=True) * 1
    w = z * z
    z.fill_(1)
    w.abs().sum().backward()


@FOUND
def a_saved_complex_tensor_is_named_as_torch_does(torch):
    z = torch.ones(2, dtype=torch.complex64, requires_grad=True) * 1
    w = z * z
    z.fill_(1)
    w.abs().sum().backward()


@FOUND
def named_results_of_reductions(torch):
    x = torch.ones(3)
    return [type(r).__name__ for r in (x.max(0), x.min(0), x.median(0), x.sort(0), x.mode(0), x.kthvalue(1))]


@FOUND
def an_early_view_of_a_tensor_turned_in_place_is_a_window_on_it(torch):
    x = _leaf(torch, 2, 3) * torch.arange(6.0).view(2, 3)
    v = x[0]
    x.t_()
    names = [x.grad_fn.name(), v.grad_fn.name()]
    v.mul_(3)
    (x * torch.arange(6.0).view(3, 2)).sum().backward()
    return names, _facts(x, v), v._base is x, x


@FOUND
def gradients_through_a_tensor_turned_in_place_and_its_early_view(torch):
    a = _leaf(torch, 2, 3)
    x = a * torch.arange(6.0).view(2, 3)
    v, w = x[0], x.detach()
    x.transpose_(0, 1)
    v.mul_(3)
    x[1].mul_(2)
    (x * torch.arange(6.0).view(3, 2) + v.sum()).sum().backward()
    return a.grad, w


@FOUND
def a_view_turned_in_place_is_still_a_view_of_its_base(torch):
    a = _leaf(torch, 2, 3)
    x = a * 1
    v = x[0:]
    v.t_()
    v.mul_(torch.arange(6.0).view(3, 2))
    x.sum().backward()
    return v._base is x, _facts(x, v), a.grad


@FOUND
def a_tensor_turned_in_place_begins_to_require_grad(torch):
    x = torch.ones(2, 3)
    v = x[0]
    x.squeeze_(0)
    w = x.as_strided((2,), (3,))
    x.requires_grad_()
    (v.sum() + 2 * w.sum()).backward()
    return _facts(x, v, w), x.grad


@FOUND
def a_view_made_without_grad_requires_it_with_its_base(torch):
    x = torch.ones(3)
    with torch.no_grad():
        v = x.unsqueeze(-1)
    x.requires_grad_()
    (v * 2).sum().backward()
    return _facts(v), x.grad


@FOUND
def what_a_view_with_a_lost_history_shows_can_be_read(torch):
    x = _leaf(torch, 2, 3) * 1
    views = x.unbind(0)
    x.mul_(2)
    with torch.no_grad():
        return views[0] + 1, views[1].detach(), views[0].requires_grad


@FOUND
def views_of_an_indexed_transposed_tensor(torch):
    x = torch.arange(24.0).view(2, 3, 4).permute(2, 0, 1)
    i, j = torch.tensor([0, 1]), torch.tensor([[0, 1], [1, 0], [1, 1]])
    return [x[i], x[:, i], x[i, :, i], x[:, :, i], x[:, j.t()], x[x > 3], torch.ones(4, 3)[j.t()], x[:2, None, i]]


@FOUND
def a_number_assigned_without_grad_leaves_the_history_alone(torch):
    x = _leaf(torch, 3) * 1
    with torch.no_grad():
        x[...] = 2
    return _facts(x)


@FOUND
def slices_of_nothing_that_do_not_ask_for_all(torch):
    x = _leaf(torch, 0) * 1
    views = [x[..., 1:], x[..., :-1], x[..., 0:0], x[..., 0:9]]
    x[:-1] = 0
    return _facts(*views, x)


@FOUND
def a_saved_result_that_is_gone_is_told_by_its_shape(torch):
    x = _leaf(torch, 2, 3)
    y = x.tanh()
    v = y.detach()
    z = y.sum()
    del y
    v.add_(1)
    z.backward()


@FOUND
def a_saved_tensor_that_was_detached_in_place(torch):
    x = _leaf(torch, 3) * 2
    y = x * x
    x.detach_()
    y.sum().backward()


@FOUND
def a_tensor_detached_in_place_before_it_was_saved(torch):
    x, a = _leaf(torch, 3) * 2, _leaf(torch, 3)
    x.detach_()
    (x * a).sum().backward()
    return a.grad


@FOUND
def writes_through_views_cannot_be_differentiated_twice(torch):
    x = _leaf(torch, 3) + 0
    x[0] = 2
    y = x.sum()
    y.backward()
    y.backward()


@FOUND
def of_two_saved_tensors_the_first_by_name_is_missed(torch):
    x, y = _leaf(torch, 2, 3) * 1, _leaf(torch, 3) * 1
    z = x * y
    x.add_(1)
    y.add_(1)
    z.sum().backward()


@FOUND
def gradients_that_are_materialized_can_have_gradients(torch):
    x, y = _leaf(torch, 3), _leaf(torch, 3)
    (g,) = torch.autograd.grad(x.sum(), [y], create_graph=True, materialize_grads=True)
    return g, g.requires_grad


@FOUND
def sums_and_products_are_computed_in_the_type_of_out(torch):
    x = torch.tensor([1.5, 2.7, -1.0])
    made = [getattr(torch, f)(x, 0, out=torch.zeros(0, dtype=d)) for f in ("sum", "prod", "cumsum", "cumprod")
            for d in (torch.int64, torch.float64, torch.complex64)]  # fmt: skip
    return made, torch.any(x, 0, out=torch.zeros((), dtype=torch.uint8))


@FOUND
def an_early_view_as_reals_of_a_complex_tensor_turned_in_place(torch):
    a = torch.arange(6.0, requires_grad=True)
    x = torch.complex(a, a + 1).view(2, 3)
    v = x[0]
    x.transpose_(0, 1)
    w = torch.view_as_real(v)
    v.mul_(2)
    w.mul_(3)
    names = [v.grad_fn.name(), w.grad_fn.name()]
    torch.view_as_real(x).sum().backward()
    return names, a.grad


@FOUND
def a_view_turned_in_place_without_grad(torch):
    x = (_leaf(torch, 1, 3) * 1).view(1, 3)
    with torch.no_grad():
        x.squeeze_(0)
    return _facts(x), x * 2


@FOUND
def a_copy_of_what_is_expanded_to_what_shows_the_same(torch):
    x = torch.ones(1).expand(2, 1)
    return x.copy_(x.movedim(-2, 0))._version


@FOUND
def a_comparison_into_a_tensor_has_no_history(torch):
    return torch.eq(_leaf(torch, 3), 1, out=torch.zeros(3))


@FOUND
def a_saved_result_of_an_operation_in_place_that_is_gone(torch):
    x = _leaf(torch, 2, 3) * 1
    x.relu_()
    v, z = x.detach(), x.sum()
    del x
    v.add_(1)
    z.backward()


@FOUND
def a_tensor_turned_in_place_to_what_its_view_shows(torch):
    a = torch.arange(6.0, requires_grad=True)
    x = a.view(2, 3) * 1
    v = x.T
    x.swapaxes_(0, -1)
    names = [x.grad_fn.name(), v.grad_fn.name()]
    v.mul_(torch.arange(6.0).view(3, 2))
    names += [x.grad_fn.name(), v.grad_fn.name()]
    (x * 2).sum().backward()
    return names, v, a.grad


@FOUND
def backward_to_a_result_uses_its_graph_up(torch):
    x = _leaf(torch, 3)
    y = x * x
    y.sum().backward(inputs=[y])
    y.sum().backward()


@FOUND
def assigning_at_columns_of_a_tensor_with_a_history(torch):
    a = _leaf(torch, 3, 4)
    x = a * 1
    x[..., torch.tensor([3])] += 3
    x[:, torch.tensor([0, 1])] = torch.ones(2)
    x.sum().backward()
    return x, a.grad


@FOUND
def a_gradient_does_not_reach_a_leaf_that_became_a_result(torch):
    t = torch.tensor([[1.0, 0.5]], requires_grad=True)
    made = t.sort(-2).values
    t.detach_()
    t.copy_(made)
    made.backward(torch.ones_like(made))


@FOUND
def a_view_made_without_grad_is_no_root(torch):
    base = torch.tensor([1.5, 2.0], requires_grad=True) * 2
    with torch.no_grad():
        view = base.expand([2, 2])
    view.backward(torch.ones_like(view))


@FOUND
def a_view_made_without_grad_may_ask_for_it(torch):
    base = torch.tensor([1.5, 2.0], requires_grad=True) * 2
    with torch.no_grad():
        view = base.expand([2, 2])
    view.requires_grad_()
    view.backward(torch.ones_like(view))
    return view.grad


@FOUND
def a_view_of_what_was_detached_ends_at_the_next_write(torch):
    found = []
    for write in (lambda a, v: a.mul_(2), lambda a, v: v.detach().mul_(2), lambda a, v: a.detach().zero_(), lambda a, v: None):
        x = _leaf(torch, 4)
        a = x * 1
        v = a[1:3]
        a.detach_()
        write(a, v)
        v.sum().backward()
        found += [x.grad, a, v, *_facts(a, v)]
    return found


@FOUND
def a_view_made_without_grad_is_a_leaf_that_nothing_reaches(torch):
    found = []
    for part in (lambda t: t.chunk(2)[0], lambda t: t[:2], lambda t: t.unbind()[0]):
        leaf = _leaf(torch, 4)
        with torch.no_grad():
            view = part(leaf)
        edges = [node for node, _ in (view * 2).grad_fn.next_functions]
        try:
            view.sum().backward()
            view.backward(torch.ones_like(view))
        except RuntimeError as error:
            found.append(str(error))
        found += [*_facts(view), edges, leaf.grad, view.grad]
        view.requires_grad_()
        view.backward(torch.ones_like(view))
        found.append(view.grad)
    return found


@FOUND
def writes_through_views_of_what_shows_an_element_twice(torch):
    found = []
    for first, second in ((False, False), (True, False), (False, True), (True, True)):
        x, w = torch.arange(6.0).view(2, 3), _leaf(torch, 3)
        e = x.expand(2, 2, 3)
        e = e.detach() if first else e
        v = e[1]
        v = v.detach() if second else v
        v[0].mul_(2)
        v[:, 1].add_(10)
        u = e[0:1].detach()[:, :, 1]
        u.mul_(w[0] * 3)
        u.sum().backward()
        windows = torch.arange(8.0).as_strided((3, 2, 2), (2, 1, 1)).detach()
        windows[1].detach()[0].mul_(3)
        found += [x, e.detach(), w.grad, windows]
    return found


@FOUND
def an_index_out_of_range_is_named_by_its_place_in_what_was_written(torch):
    t, i = torch.ones(2, 3, 4), torch.tensor
    tried = ((..., 9), (None, 9), (..., None, -9), (slice(None), i([9])), (i([0]), slice(None), i([9])), (0, i([9])))
    found = []
    for index in tried:
        for use in (lambda index: t[index], lambda index: t.__setitem__(index, 1)):
            try:
                use(index)
            except IndexError as error:
                found.append(str(error))
    return found


@FOUND
def truth_of_imaginary_numbers_by_xla(torch):
    z = torch.full((600, 600), 1j)
    return z.all(), (z * 0 + 1j).all((0, 1)), (z[:2] * 1).any(0).sum()


@FOUND
def one_element_is_assigned_by_a_mask_whatever_it_overlaps(torch):
    found = []
    for value in (lambda x: x[:1], lambda x: torch.tensor([[False]]), lambda x: x[0]):
        x = torch.tensor([True, False, True])
        x[x] = value(x)
        found.append(x)
    return found


@FOUND
def what_was_asked_to_retain_its_gradient_says_so_when_it_is_detached(torch):
    y = _leaf(torch, 3) * 2
    y.retain_grad()
    y.detach_()
    told = [y.retains_grad, y.requires_grad_().retains_grad, y.detach().retains_grad, _leaf(torch, 3).retains_grad]
    (y * 2).sum().backward()
    return told, y.retains_grad, y.grad


@FOUND
def bytes_of_what_does_not_fit_are_refused_in_order(torch):
    z, found = torch.arange(24, dtype=torch.int32), []
    for t in (z.view(2, 3, 4).mT, z[1:3], z[::2], z.view(4, 6).t(), z.view(3, 8)[:, 1:3], z.view(8, 3)[:, :2], z[0]):
        for dtype in (torch.int64, torch.int16):
            try:
                found.append(t.view(dtype))
            except RuntimeError as error:
                found.append(str(error))
    return found


@FOUND
def one_of_several_views_made_without_grad_says_why_it_is_not_written_to(torch):
    found = []
    for part in (lambda x: x.split(1)[0], lambda x: x.unbind()[0], lambda x: x[:1], lambda x: x.split(1)[0][:]):
        for leaf in (True, False):
            x = _leaf(torch, 3, 2) if leaf else _leaf(torch, 3, 2) * 1
            with torch.no_grad():
                view = part(x)
            for write in (lambda v: v.mul_(2), lambda v: v[:].mul_(2), lambda v: v.split(1)[0].mul_(2)):
                try:
                    write(view)
                except RuntimeError as error:
                    found.append(str(error))
            found.append(view.output_nr)
    return found


@FOUND
def what_only_a_gradient_to_nowhere_needs_is_not_kept(torch):
    x = torch.arange(4.0)
    part, *_ = x.split(4)
    x.requires_grad_()
    y = torch.zeros(4).add_(2)
    y.addcmul_(part, y, value=2)  # would need what it overwrites, for a gradient of `part`
    y.sum().backward()
    return y.detach(), y.grad_fn.next_functions, x.grad


@FOUND
def a_product_whose_gradients_go_nowhere_can_be_run_back_twice(torch):
    x = torch.ones(4, requires_grad=True)
    with torch.no_grad():
        part = x.view(4)
    y = torch.full((4,), 2.0).mul_(part)
    z = part * 3
    for _ in range(2):
        (y.sum() + z.sum()).backward()
    return y.detach(), x.grad


@FOUND
def a_number_that_is_expanded_has_strides_of_zero(torch):
    x = torch.tensor(2.0).expand(1)
    return x.stride(), torch.tensor(2.0).expand(1, 1).stride(), x.view(torch.uint8)


@FOUND
def a_copy_onto_itself_is_a_write_that_other_views_see(torch):
    x = torch.arange(4.0, requires_grad=True)
    part = x.select(-1, 0)
    cut = part.detach()
    cut.copy_(cut)
    y = torch.arange(4.0)
    y[1] += 1
    y[1:][0] += 1
    return part.grad_fn.name(), part._version, part.detach(), y, y._version


@FOUND
def views_in_place_are_refused_before_their_dimensions_are_looked_at(torch):
    x = torch.ones(3, 1, requires_grad=True)
    found = []
    for t in (x, x.unfold(-1, 1, 1)):
        for turn in (
            lambda t: t.t_(),
            lambda t: t.transpose_(0, 5),
            lambda t: t.unsqueeze_(7),
            lambda t: t.as_strided_((9,), (1,)),
        ):
            try:
                turn(t)
            except Exception as e:
                found.append((type(e).__name__, str(e)))
    return found


@programs(FOUND)
def test_a_found_difference_is_gone(program) -> None:
    same(program)


REFUSALS = {
    "a sum in another type than that of out": lambda torch: torch.sum(torch.ones(2), 0, dtype=torch.int64, out=torch.zeros(())),
    "a running sum of bools": lambda torch: torch.cumsum(torch.ones(2), 0, out=torch.zeros(2, dtype=torch.bool)),
    "limited floats in doubles": lambda torch: torch.clamp(torch.ones(2), 0, out=torch.zeros(2, dtype=torch.float64)),
    "joined floats in integers": lambda torch: torch.cat([torch.ones(2)], out=torch.zeros(2, dtype=torch.int64)),
    "a comparison of shapes and types that do not fit": lambda torch: torch.ones(4, dtype=torch.complex64).lt_(torch.ones(2, 4)),
    "expanding complex numbers": lambda torch: torch.ones(2, 3, dtype=torch.complex64).expand(3),
    "assigning at a mask that is written to": lambda torch: (lambda x: x.__setitem__(x, torch.ones(2).bool()))(
        torch.ones(2).bool()
    ),
    "the largest of truths": lambda torch: torch.ones(2).bool().topk(1),
    "truths in floats": lambda torch: torch.all(torch.ones(2), 0, out=torch.zeros(())),
    "a row by its place, after a new dimension": lambda torch: torch.ones(2, 3)[None, 0, 9],
    "a row of a 0-d tensor": lambda torch: torch.ones(())[9],
    "a row of a 0-d tensor, in a tuple": lambda torch: torch.ones(())[0,],
    "a step of zero": lambda torch: torch.ones(3)[::0],
    "a copy of four to one": lambda torch: torch.ones(1).copy_(torch.ones(4)),
    "a sum of halves and a wider type": lambda torch: torch.ones(3, dtype=torch.int32).lerp_(torch.ones(3).long(), 0.5),
    "products of bools": lambda torch: torch.ones(3).bool().addcmul_(torch.ones(3).bool(), torch.ones(3).bool()),
    "the largest of complex numbers": lambda torch: torch.ones(3, dtype=torch.complex64).max(0),
    "the median of complex numbers": lambda torch: torch.ones(3, dtype=torch.complex64).median(0),
    "transposing three dimensions in place": lambda torch: torch.ones(1, 2, 3).t_(),
}


@programs(REFUSALS)
def test_a_refusal_is_torchs(program) -> None:
    same(program)


#: Views whose base is written to, and what is done with them, after their values were read or not.
LOST = {
    "made without grad": lambda torch, x: torch.no_grad()(lambda: x[0])(),
    "one of several": lambda torch, x: x.split(1)[1],
    "a view of one of several": lambda torch, x: x.unbind(0)[0][1:],
    "made without grad from one of several": lambda torch, x: torch.no_grad()(lambda: x.unbind(0)[0][1:])(),
}


@pytest.mark.parametrize("read", [True, False], ids=["read", "not read"])
@pytest.mark.parametrize("leaf", [True, False], ids=["of a leaf", "of a result"])
@pytest.mark.parametrize("make", LOST.values(), ids=list(LOST))
def test_a_view_whose_history_is_lost_is_refused_whenever_it_is_used(make, leaf: bool, read: bool) -> None:
    def program(torch):
        x = _leaf(torch, 2, 3) if leaf else _leaf(torch, 2, 3) * 1
        view = make(torch, x)
        with torch.no_grad():
            x.add_(1)
            if read:
                view.detach().tolist(), view + 1
        return view * 2

    same(program)


SAVING = {
    "complex": lambda torch, x, y: torch.view_as_real(torch.complex(x, y)).sum(),
    "kl_div": lambda torch, x, y: torch.nn.functional.kl_div(x, y, reduction="sum"),
}


@pytest.mark.parametrize("written", [0, 1])
@pytest.mark.parametrize("needed", [(True, True), (True, False), (False, True)], ids=str)
@pytest.mark.parametrize("of", SAVING.values(), ids=list(SAVING))
def test_a_write_to_what_torch_saves_is_noticed(of, needed: tuple[bool, bool], written: int) -> None:
    def program(torch):
        operands = [torch.full((3,), 0.5).requires_grad_(n) + 0 for n in needed]
        y = of(torch, *operands)
        with torch.no_grad():
            operands[written].add_(0)
        y.backward()

    same(program)


#: Writes with operands on the memory that is written to: all of it, or none of what is written.
WRITES = {
    "scatter_": lambda torch, t, o: t.scatter_(1, torch.zeros(len(t), 1, dtype=torch.int64), o),
    "scatter_add_": lambda torch, t, o: t.scatter_add_(1, torch.zeros(len(t), 1, dtype=torch.int64), o),
    "scatter_reduce_": lambda torch, t, o: t.scatter_reduce_(0, torch.zeros(1, 4, dtype=torch.int64), o, "sum"),
    "index_add_": lambda torch, t, o: t.index_add_(0, torch.arange(len(o)), o),
    "index_copy_": lambda torch, t, o: t.index_copy_(0, torch.arange(len(o)), o),
    "index_reduce_": lambda torch, t, o: t.index_reduce_(0, torch.arange(len(o)), o, "prod"),
    "index_put_": lambda torch, t, o: t.index_put_((torch.arange(len(o)),), o),
    "assignment": lambda torch, t, o: t.__setitem__(torch.arange(len(o)), o),
    "put_": lambda torch, t, o: t.put_(torch.arange(o.numel()), o),
    "copy_": lambda torch, t, o: t.copy_(o),
    "masked_fill_": lambda torch, t, o: t.masked_fill_(t > 0, o[0, 0]),
    "index_fill_": lambda torch, t, o: t.index_fill_(0, torch.tensor([0]), o[0, 0]),
}


@pytest.mark.parametrize("where", ["itself", "beside"])
@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_writes_refuse_the_operands_that_torch_refuses(write, where: str) -> None:
    def program(torch):
        whole = torch.arange(32.0).view(8, 4)
        target = whole[:4]
        write(torch, target, target.detach() if where == "itself" else whole[4:])
        return whole

    same(program)


@pytest.mark.parametrize("where", ["target", "operand", "both"])
@pytest.mark.parametrize("write", [w for n, w in WRITES.items() if n not in ("scatter_reduce_", "index_reduce_", "masked_fill_")])
def test_conjugates_overlap_with_nothing_but_copies(write, where: str) -> None:
    def program(torch):
        whole = torch.arange(32.0).view(8, 4).to(torch.complex64) * 1j
        target, operand = whole[:4], whole[:4].t()
        target = target if where == "operand" else target.conj()
        write(torch, target, operand if where == "target" else operand.conj())
        return whole

    same(program)


EXPANDED = {
    "fill_": lambda torch, t: t.fill_(1), "fill_ by a tensor": lambda torch, t: t.fill_(torch.tensor(1.0)),
    "zero_": lambda torch, t: t.zero_(), "assignment": lambda torch, t: t.__setitem__(slice(0, 2), 1),
    "add_": lambda torch, t: t.add_(1), "masked_scatter_": lambda torch, t: t.masked_scatter_(torch.ones(3, 2) > 0, torch.ones(3, 2)),
    "of nothing": lambda torch, t: torch.ones(0, 1).expand(0, 2).add_(1),
}  # fmt: skip


@pytest.mark.parametrize("write", EXPANDED.values(), ids=list(EXPANDED))
def test_writes_to_expanded_tensors_are_refused_where_torch_refuses_them(write) -> None:
    same(lambda torch: write(torch, torch.ones(3, 1).expand(3, 2)).tolist())


@pytest.mark.parametrize("way", ["host", "recorded", "compiled"])
@pytest.mark.parametrize("shape", ["(2, 0)", "(0, 2)", "(0,)"])
def test_nothing_as_another_dtype(way: str, shape: str) -> None:
    lines = [f"t0 = torch.zeros({shape})", "t1 = t0.swapaxes(-1, 0)"]
    lines += [f"t{k} = t{k % 2}.view(torch.{d})" for k, d in enumerate(("uint8", "int16", "complex64", "float64", "int32"), 2)]
    lines += [f"t7 = torch.zeros({shape}, dtype=torch.complex64)", "t8 = t7.view(torch.float32)", "t9 = t7.view(torch.int16)"]
    for k in range(2, len(lines)):  # each by itself: some are refused
        assert Program([*lines[:2], *([lines[7]] if k > 7 else []), lines[k]], way).difference() is None
