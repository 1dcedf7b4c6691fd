"""no_grad, enable_grad, set_grad_enabled, inference_mode and anomaly detection, as contexts, decorators and calls."""

import threading

from tests.programs import Table, programs, same

MODES = Table()


@MODES
def no_grad_as_a_context(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        y = x * 2
        inside = torch.is_grad_enabled()
    return y.requires_grad, y.is_leaf, inside, torch.is_grad_enabled()


@MODES
def no_grad_after_an_exception(torch):
    try:
        with torch.no_grad():
            raise ValueError
    except ValueError:
        pass
    return torch.is_grad_enabled()


@MODES
def no_grad_as_a_decorator(torch):
    @torch.no_grad()
    def f(x):
        "doc"
        return x * 2

    @torch.no_grad
    def g(x):
        return x * 2

    x = torch.ones(2, requires_grad=True)
    return f(x).requires_grad, g(x).requires_grad, f.__name__, f.__doc__, torch.is_grad_enabled()


@MODES
def no_grad_on_a_generator(torch):
    seen = []

    @torch.no_grad()
    def f():
        for i in range(3):
            seen.append(torch.is_grad_enabled())
            got = yield i
            seen.append(got)

    it = f()
    next(it)
    outside = torch.is_grad_enabled()
    it.send("a")
    it.close()
    return seen, outside


@MODES
def no_grad_on_a_generator_that_returns(torch):
    @torch.no_grad()
    def f():
        yield 1
        return 2

    def g():
        got = yield from f()
        yield got

    return list(g())


@MODES
def a_generator_that_catches_what_is_thrown(torch):
    @torch.no_grad()
    def f():
        try:
            yield torch.is_grad_enabled()
        except KeyError:
            yield ("caught", torch.is_grad_enabled())

    it = f()
    return next(it), it.throw(KeyError()), torch.is_grad_enabled()


@MODES
def nested_modes(torch):
    seen = []
    with torch.no_grad():
        with torch.enable_grad():
            seen.append(torch.is_grad_enabled())
            with torch.set_grad_enabled(False):
                seen.append(torch.is_grad_enabled())
            seen.append(torch.is_grad_enabled())
        seen.append(torch.is_grad_enabled())
    return seen, torch.is_grad_enabled()


@MODES
def enable_grad_as_a_decorator(torch):
    @torch.enable_grad()
    def f(x):
        return x * 2

    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        return f(x).requires_grad, torch.is_grad_enabled()


@MODES
def set_grad_enabled_as_a_call(torch):
    torch.set_grad_enabled(False)
    a = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return a, torch.is_grad_enabled()


@MODES
def set_grad_enabled_as_a_decorator(torch):
    @torch.set_grad_enabled(False)
    def f():
        return torch.is_grad_enabled()

    return f(), torch.is_grad_enabled()


@MODES
def one_context_used_twice(torch):
    mode = torch.no_grad()
    with mode:
        pass
    with mode:
        a = torch.is_grad_enabled()
    return a, torch.is_grad_enabled()


@MODES
def tensors_made_under_no_grad_can_require_grad(torch):
    with torch.no_grad():
        x = torch.ones(2, requires_grad=True)
        y = x.clone().requires_grad_()
    return x.requires_grad, y.requires_grad, y.is_leaf


@MODES
def backward_under_no_grad(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    with torch.no_grad():
        y.backward()
    return x.grad


@MODES
def an_update_under_no_grad(torch):
    x = torch.ones(2, requires_grad=True)
    (x * x).sum().backward()
    with torch.no_grad():
        x -= 0.1 * x.grad
        x.grad.zero_()
    return x, x.requires_grad, x.is_leaf, x._version


@MODES
def inference_mode_as_a_context(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        y = x * 2
        seen = torch.is_inference_mode_enabled(), torch.is_grad_enabled(), y.is_inference(), torch.is_inference(y)
    return seen, y.requires_grad, y.is_inference(), x.is_inference(), torch.is_inference_mode_enabled()


@MODES
def inference_mode_turned_off(torch):
    with torch.inference_mode(), torch.inference_mode(False):
        seen = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        y = torch.ones(2)
    return seen, y.is_inference()


@MODES
def inference_mode_as_a_decorator(torch):
    @torch.inference_mode()
    def f(x):
        return x * 2

    @torch.inference_mode
    def g(x):
        return x * 3

    x = torch.ones(2, requires_grad=True)
    return f(x).is_inference(), g(x).is_inference(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()


@MODES
def an_inference_tensor_in_a_graph(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    x = torch.ones(2, requires_grad=True)
    return (x * y).sum()


@MODES
def an_inference_tensor_that_is_not_saved(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    x = torch.ones(2, requires_grad=True)
    (x + y).sum().backward()
    return x.grad


@MODES
def a_write_to_an_inference_tensor_outside(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    y.add_(1)


@MODES
def a_write_to_an_inference_tensor_inside(torch):
    with torch.inference_mode():
        y = torch.ones(2)
        y.add_(1)
        y[0] = 5
    return y


@MODES
def requires_grad_of_an_inference_tensor(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    y.requires_grad_()


@MODES
def the_version_of_an_inference_tensor(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    return y._version


@MODES
def a_clone_of_an_inference_tensor_is_normal(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    z = y.clone()
    z.add_(1)
    return z, z.is_inference(), (z.requires_grad_() * 2).requires_grad


@MODES
def a_view_of_a_normal_tensor_in_inference_mode(torch):
    x = torch.ones(2, 2)
    with torch.inference_mode():
        v = x[0]
        kind = v.is_inference()
        v.add_(1)
    return kind, x, v.requires_grad


@MODES
def anomaly_detection_finds_nan(torch):
    with torch.autograd.detect_anomaly():
        x = torch.tensor([0.0, 1.0], requires_grad=True)
        y = (x * 0).sqrt() * x
        y.sum().backward()


@MODES
def anomaly_detection_without_nan(torch):
    with torch.autograd.set_detect_anomaly(True):
        x = torch.tensor([4.0, 1.0], requires_grad=True)
        x.sqrt().sum().backward()
    return x.grad, torch.is_anomaly_enabled()


@MODES
def anomaly_detection_as_a_call(torch):
    torch.autograd.set_detect_anomaly(True)
    a = torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    return a, torch.is_anomaly_enabled()


@MODES
def anomaly_detection_that_ignores_nan(torch):
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        x = torch.tensor([0.0], requires_grad=True)
        y = (x * 0).sqrt() * x
        y.sum().backward()
        check = torch.is_anomaly_check_nan_enabled()
    return x.grad.isnan(), check


@MODES
def modes_belong_to_a_thread(torch):
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    return seen


@programs(MODES)
def test_modes(program):
    same(program)
