"""Automatic differentiation: gradients, torch's error where there is nothing to differentiate, an own function."""

import torchlike as torch
import torchlike.nn as nn

from common import Run, arguments


def simple_function(x):
    return x * x


class Exponential(torch.autograd.Function):
    """exp with a derivative given by hand."""

    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


def main():
    args = arguments(__doc__, epochs=20)
    torch.manual_seed(args.seed)

    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x.sum()
    y.backward()
    print(x.grad)  # tensor([[1., 1.], [1., 1.]])

    # A tutorial has this; it does not work: x asks for no gradient, so there is no graph to go back through.
    x = torch.tensor(2.0)
    try:
        x.backward()
    except RuntimeError as error:
        print(f"RuntimeError: {error}")

    # What was meant.
    x = torch.tensor(2.0, requires_grad=True)
    simple_function(x).backward()
    print(x.grad)  # tensor(4.)

    # Gradients of gradients.
    (first,) = torch.autograd.grad(x**3, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    print(first.item(), second.item())  # 12.0 12.0

    x = torch.tensor([0.0, 1.0], requires_grad=True)
    Exponential.apply(x).sum().backward()
    print(x.grad)  # tensor([1.0000, 2.7183])

    # An optimizer over parameters by hand.
    weight1, bias1 = torch.randn(8, 2).requires_grad_(), torch.zeros(8, requires_grad=True)
    weight2, bias2 = torch.randn(1, 8).requires_grad_(), torch.zeros(1, requires_grad=True)
    input = torch.randn(64, 2)
    target = (input[:, :1] * input[:, 1:]).tanh()
    criterion = nn.MSELoss()

    learning_rate = 0.1
    params = [weight1, weight2, bias1, bias2]
    optimizer = torch.optim.SGD(params, learning_rate)

    run = Run(args)
    for _ in run.epochs():
        optimizer.zero_grad()  # clear previous gradient values
        hidden = torch.tanh(input @ weight1.t() + bias1)
        output = hidden @ weight2.t() + bias2  # compute output
        loss = criterion(output, target)  # compute loss function
        loss.backward()  # backpropagation
        optimizer.step()  # update parameters
        run.record(loss=loss)
    print(f"Loss: {loss.item():.4f}")


if __name__ == "__main__":
    main()
