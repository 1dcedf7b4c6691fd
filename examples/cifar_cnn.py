"""A convolutional net on CIFAR-10, or on coloured digits in its file format (``make_data.py``)."""

import torchlike as torch
import torchlike.nn as nn
import torchlike.nn.functional as F
import torchlike.optim as optim
from torchlike.utils.data import DataLoader
from torchlike.vision import datasets, transforms

from common import Run, arguments
from make_data import ensure


class OwnCIFAR10(datasets.CIFAR10):
    """Other data in the same format: other files, so no checksums."""

    train_list = [[name, None] for name, _ in datasets.CIFAR10.train_list]
    test_list = [[name, None] for name, _ in datasets.CIFAR10.test_list]
    meta = {**datasets.CIFAR10.meta, "md5": None}


class CNN(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        # No biases before a batch norm: it takes them off again.
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(32 * 8 * 8, 64)
        self.fc2 = nn.Linear(64, num_classes)

    def forward(self, x):  # (N, 3, 32, 32)
        x = self.pool(F.relu(self.bn1(self.conv1(x))))  # (N, 16, 16, 16)
        x = self.pool(F.relu(self.bn2(self.conv2(x))))  # (N, 32, 8, 8)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


def main():
    args = arguments(__doc__, epochs=3)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "cifar10"))

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    trainset = OwnCIFAR10(root=root, train=True, transform=transform)
    testset = OwnCIFAR10(root=root, train=False, transform=transform)
    trainloader = DataLoader(trainset, batch_size=32, shuffle=True)
    testloader = DataLoader(testset, batch_size=64)

    model = CNN(len(trainset.classes)).to(args.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    run = Run(args)
    for epoch in run.epochs():
        model.train()
        for images, labels in run.batches(trainloader, epoch):
            images, labels = images.to(args.device), labels.to(args.device)
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            run.record(loss=loss)

        model.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in testloader:
                predicted = model(images.to(args.device)).argmax(1)
                correct += (predicted == labels.to(args.device)).sum().item()
        accuracy = 100 * correct / len(testset)
        print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}, Accuracy: {accuracy:.1f}%")


if __name__ == "__main__":
    main()
