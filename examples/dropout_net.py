"""A net with dropout, saved and loaded again: the whole model, and its parameters alone."""

import pathlib
import tempfile

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
from torchlike.utils.data import DataLoader
from torchlike.vision import datasets, transforms

from common import Run, arguments
from make_data import ensure


class Net(nn.Module):
    def __init__(self, input_size=784, hidden_size=256, mid_size=64, output_size=10):
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.relu1 = nn.ReLU()
        self.dropout1 = nn.Dropout(p=0.5)
        self.fc2 = nn.Linear(hidden_size, mid_size)
        self.relu2 = nn.ReLU()
        self.dropout2 = nn.Dropout(p=0.5)
        self.fc3 = nn.Linear(mid_size, output_size)

    def forward(self, x):
        out = self.fc1(x)
        out = self.relu1(out)
        out = self.dropout1(out)
        out = self.fc2(out)
        out = self.relu2(out)
        out = self.dropout2(out)
        out = self.fc3(out)
        return out


def accuracy(net, loader, device):
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = net(images.flatten(1).to(device))
            correct += (outputs.argmax(1) == labels.to(device)).sum().item()
            total += labels.size(0)
    return correct / total


def main():
    args = arguments(__doc__, epochs=10)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "mnist"))
    trainset = datasets.MNIST(root=root, train=True, transform=transforms.ToTensor())
    testset = datasets.MNIST(root=root, train=False, transform=transforms.ToTensor())
    trainloader = DataLoader(trainset, batch_size=64, shuffle=True)
    testloader = DataLoader(testset, batch_size=64)

    net = Net().to(args.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    run = Run(args)
    for epoch in run.epochs():
        net.train()
        for images, labels in run.batches(trainloader, epoch):
            loss = criterion(net(images.flatten(1).to(args.device)), labels.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.record(loss=loss)
        print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}")

    net.eval()
    trained = accuracy(net, testloader, args.device)
    print(f"Accuracy: {100 * trained:.1f}%")

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "net.pt"

        torch.save(net, path)  # the whole model
        model = torch.load(path, weights_only=False)
        model.eval()
        print(f"Accuracy of the whole model, loaded: {100 * accuracy(model, testloader, args.device):.1f}%")

        torch.save(net.state_dict(), path)  # its parameters
        model = Net().to(args.device)
        model.load_state_dict(torch.load(path))
        model.eval()
        print(f"Accuracy with loaded parameters: {100 * accuracy(model, testloader, args.device):.1f}%")

    for name, loaded in model.state_dict().items():
        assert torch.equal(loaded, net.state_dict()[name]), name


if __name__ == "__main__":
    main()
