"""A net of two linear layers on handwritten digits."""

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
import torchlike.vision as torchvision
import torchlike.vision.transforms as transforms

from common import Run, arguments
from make_data import ensure


class SimpleNet(nn.Module):
    def __init__(self):
        super(SimpleNet, self).__init__()
        self.fc1 = nn.Linear(28 * 28, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = torch.relu(x)
        x = self.fc2(x)
        return x


def main():
    args = arguments(__doc__, epochs=10)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "mnist"))

    train_dataset = torchvision.datasets.MNIST(root=root, train=True, transform=transforms.ToTensor(), download=True)
    test_dataset = torchvision.datasets.MNIST(root=root, train=False, transform=transforms.ToTensor())
    train_loader = torch.utils.data.DataLoader(train_dataset, batch_size=64, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_dataset, batch_size=64, shuffle=False)

    net = SimpleNet().to(args.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01)

    run = Run(args)
    for epoch in run.epochs():
        for images, labels in run.batches(train_loader, epoch):
            images, labels = images.to(args.device), labels.to(args.device)
            outputs = net(images)
            loss = criterion(outputs, labels)

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.record(loss=loss)

        print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}")

    correct = 0
    total = 0
    with torch.no_grad():
        for images, labels in test_loader:
            images, labels = images.to(args.device), labels.to(args.device)
            outputs = net(images)
            _, predicted = torch.max(outputs.data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()

    print(f"Accuracy of the network on the {total} test images: {100 * correct / total:.1f}%")


if __name__ == "__main__":
    main()
