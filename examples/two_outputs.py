"""A net that gives two outputs, a dynamic graph: the digit, and the features it was told from. Data by workers."""

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
from torchlike.utils.data import DataLoader
from torchlike.vision import datasets, transforms

from common import Run, arguments
from make_data import ensure


class Net(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, output_size)

    def forward(self, x):
        out1 = self.fc1(x)
        out2 = self.fc2(out1)
        return [out1, out2]


def main():
    args = arguments(__doc__, epochs=5, batch_size=64, num_workers=2)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "mnist"))

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    trainset = datasets.MNIST(root=root, train=True, transform=transform)
    testset = datasets.MNIST(root=root, train=False, transform=transform)
    trainloader = DataLoader(dataset=trainset, batch_size=args.batch_size, shuffle=True, num_workers=args.num_workers)
    testloader = DataLoader(dataset=testset, batch_size=args.batch_size, shuffle=False, num_workers=args.num_workers)

    net = Net(784, 32, 10).to(args.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.RMSprop(net.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)

    run = Run(args)
    for epoch in run.epochs():
        for images, labels in run.batches(trainloader, epoch):
            features, outputs = net(images.flatten(1).to(args.device))
            # Small features, by a penalty on the first output.
            loss = criterion(outputs, labels.to(args.device)) + 1e-3 * features.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.record(loss=loss)
        scheduler.step()
        print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}, lr: {scheduler.get_last_lr()[0]:.6f}")

    correct = 0
    with torch.no_grad():
        for images, labels in testloader:
            outputs = net(images.flatten(1).to(args.device))[1]
            correct += (outputs.argmax(1) == labels.to(args.device)).sum().item()
    print(f"Accuracy: {100 * correct / len(testset):.1f}%")


if __name__ == "__main__":
    main()
