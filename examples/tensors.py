"""Tensors: making them, computing with them, NumPy and back, devices."""

import numpy as np

import torchlike as torch

from common import arguments


def main():
    args = arguments(__doc__, epochs=0)
    torch.manual_seed(args.seed)

    x = torch.tensor([[1, 2, 3], [4, 5, 6]])
    print(x, x.dtype, x.shape, x.stride())
    print(torch.zeros(2, 3), torch.ones(2, dtype=torch.int8), torch.arange(0, 1, 0.25), torch.eye(2))
    print(torch.rand(2, 3), torch.randn(4), torch.randint(0, 10, (5,)))

    print(x + 1, x * 2.5, x @ x.T, x.float().mean(dim=1, keepdim=True))
    print(x[:, 1:], x[x > 2], x[..., -1], x.view(3, 2), torch.cat([x, x], dim=1).shape)

    # A view shares its memory.
    row = x[0]
    row[0] = 100
    print(x, row.data_ptr() == x.data_ptr())

    # So does a NumPy array.
    array = np.ones(3, dtype=np.float32)
    tensor = torch.from_numpy(array)
    tensor.mul_(2)
    print(array, tensor.numpy() is not array, torch.tensor([1.5, 2.5]).numpy())

    device = args.device if args.device != "cpu" else "cuda" if torch.cuda.is_available() else "cpu"
    tensor = torch.rand(3, 4).to(device)
    print(tensor.shape, tensor.sum().item() > 0)


if __name__ == "__main__":
    main()
