"""A variational autoencoder of digits."""

import torchlike as torch
import torchlike.nn as nn
import torchlike.nn.functional as F
import torchlike.optim as optim
from torchlike.utils.data import DataLoader
from torchlike.vision import datasets, transforms

from common import Run, arguments
from make_data import ensure


class VAE(nn.Module):
    def __init__(self, hidden_size=400, latent_size=20):
        super().__init__()
        self.fc1 = nn.Linear(784, hidden_size)
        self.fc_mean = nn.Linear(hidden_size, latent_size)
        self.fc_logvar = nn.Linear(hidden_size, latent_size)
        self.fc3 = nn.Linear(latent_size, hidden_size)
        self.fc4 = nn.Linear(hidden_size, 784)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc_mean(h), self.fc_logvar(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, noise):
        mean, logvar = self.encode(x)
        z = mean + noise * torch.exp(0.5 * logvar)
        return self.decode(z), mean, logvar


def loss_function(reconstructed, x, mean, logvar):
    """Reconstruction, and how far the latent distribution is from a normal one."""
    bce = F.binary_cross_entropy(reconstructed, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
    return (bce + kld) / x.size(0)


def main():
    args = arguments(__doc__, epochs=10, latent_size=20)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "mnist"))
    trainset = datasets.MNIST(root=root, train=True, transform=transforms.ToTensor())
    testset = datasets.MNIST(root=root, train=False, transform=transforms.ToTensor())
    trainloader = DataLoader(trainset, batch_size=128, shuffle=True)
    testloader = DataLoader(testset, batch_size=128)

    model = VAE(latent_size=args.latent_size).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def loss_of(images):
        x = images.flatten(1).to(args.device)
        noise = torch.randn(x.size(0), args.latent_size).to(args.device)
        reconstructed, mean, logvar = model(x, noise)
        return loss_function(reconstructed, x, mean, logvar)

    run = Run(args)
    for epoch in run.epochs():
        for images, _ in run.batches(trainloader, epoch):
            loss = loss_of(images)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.record(loss=loss)

        with torch.no_grad():
            test_loss = sum(loss_of(images).item() for images, _ in testloader) / len(testloader)
        print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}, Test loss: {test_loss:.4f}")

    with torch.no_grad():
        x = testset[0][0].flatten().unsqueeze(0).to(args.device)
        mean, _ = model.encode(x)
        right = ((model.decode(mean) > 0.5) == (x > 0.5)).float().mean().item()
    print(f"Pixels of an unseen digit that are reconstructed on the right side of a half: {100 * right:.1f}%")


if __name__ == "__main__":
    main()
