"""A multi-layer perceptron on handwritten digits, with momentum; then its accuracy on digits it has not seen."""

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
from torchlike.vision import datasets, transforms

from common import Run, arguments
from make_data import ensure


class MLP(nn.Module):
    def __init__(self, input_size=784, hidden_size=128, num_classes=10):
        super(MLP, self).__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        out = self.fc1(x.view(x.size(0), -1))
        out = self.relu(out)
        out = self.fc2(out)
        return out


def main():
    args = arguments(__doc__, epochs=20)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "mnist"))

    # load data
    trainset = datasets.MNIST(root=root, train=True, download=True, transform=transforms.ToTensor())
    testset = datasets.MNIST(root=root, train=False, download=True, transform=transforms.ToTensor())
    trainloader = torch.utils.data.DataLoader(trainset, batch_size=128, shuffle=True)
    testloader = torch.utils.data.DataLoader(testset, batch_size=128, shuffle=False)

    # define model and optimizer
    model = MLP().to(args.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    # start to train the model
    run = Run(args)
    for epoch in run.epochs():
        running_loss = 0.0
        for i, (images, labels) in enumerate(run.batches(trainloader, epoch), 0):
            images, labels = images.to(args.device), labels.to(args.device)

            # zero the parameter gradients
            optimizer.zero_grad()

            # forward + backward + optimize
            outputs = model(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            run.record(loss=loss)

            # print statistics
            running_loss += loss.item()
            if i % 12 == 11:  # print every 12 mini-batches
                print("[%d, %5d] loss: %.3f" % (epoch + 1, i + 1, running_loss / 12))
                running_loss = 0.0

    print("Finished Training")

    # evaluate on test set
    correct = total = 0
    with torch.no_grad():
        for data in testloader:
            images, labels = data[0].to(args.device), data[1].to(args.device)
            outputs = model(images)
            _, predicted = torch.max(outputs.data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()

    print("Accuracy of the network on the %d test images: %d %%" % (total, 100 * correct / total))


if __name__ == "__main__":
    main()
