"""A generative adversarial net that draws digits: a generator against a discriminator."""

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
from torchlike.utils.data import DataLoader
from torchlike.vision import datasets, transforms

from common import Run, arguments
from make_data import ensure


class Generator(nn.Module):
    def __init__(self, noise_size=64, hidden_size=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(noise_size, hidden_size, bias=False),  # the batch norm would take a bias off again
            nn.BatchNorm1d(hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, 28 * 28),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z).view(-1, 1, 28, 28)


class Discriminator(nn.Module):
    def __init__(self, hidden_size=256):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, hidden_size),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_size, hidden_size),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_size, 1),
        )

    def forward(self, x):
        return self.net(x)


def show(image):
    """A digit as text."""
    shades = " .:-=+*#%@"
    for row in image[::2].tolist():
        print("".join(shades[min(9, int((pixel + 1) / 2 * 10))] for pixel in row))


def main():
    args = arguments(__doc__, epochs=40, noise_size=64)
    torch.manual_seed(args.seed)
    root = str(ensure(args.data, "mnist"))

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=True, transform=transform)
    loader = DataLoader(dataset, batch_size=64, shuffle=True)

    generator = Generator(args.noise_size).to(args.device)
    discriminator = Discriminator().to(args.device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer_g = optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    run = Run(args)
    for epoch in run.epochs():
        for real, _ in run.batches(loader, epoch):
            real = real.to(args.device)
            ones = torch.ones(real.size(0), 1, device=args.device)
            zeros = torch.zeros(real.size(0), 1, device=args.device)

            # The discriminator: real images are 1, made ones are 0.
            fake = generator(torch.randn(real.size(0), args.noise_size).to(args.device))
            scores_real, scores_fake = discriminator(real), discriminator(fake.detach())
            loss_d = criterion(scores_real, ones) + criterion(scores_fake, zeros)
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()

            # The generator: its images should count as real.
            loss_g = criterion(discriminator(fake), ones)
            optimizer_g.zero_grad()
            loss_g.backward()
            optimizer_g.step()
            run.record(discriminator=loss_d, generator=loss_g)

        right = ((scores_real > 0).float().mean() + (scores_fake <= 0).float().mean()) / 2
        print(
            f"Epoch [{epoch + 1}/{args.epochs}], D: {loss_d.item():.4f}, G: {loss_g.item():.4f}, "
            f"D's accuracy: {100 * right.item():.1f}%"
        )

    generator.eval()
    with torch.no_grad():
        show(generator(torch.randn(1, args.noise_size).to(args.device))[0, 0].cpu())


if __name__ == "__main__":
    main()
