"""Collaborative filtering: an embedding for each user and each film, from which ratings are told.

The ratings are made up: hidden tastes of 4 numbers, noise, and one rating in five known.
"""

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
from torchlike.utils.data import DataLoader, TensorDataset, random_split

from common import Run, arguments

USERS, FILMS = 256, 160


class Recommender(nn.Module):
    def __init__(self, users, films, factors=8):
        super().__init__()
        self.users = nn.Embedding(users, factors)
        self.films = nn.Embedding(films, factors)
        self.user_bias = nn.Embedding(users, 1)
        self.film_bias = nn.Embedding(films, 1)
        for embedding in (self.users, self.films, self.user_bias, self.film_bias):
            nn.init.normal_(embedding.weight, std=0.05)

    def forward(self, user, film):
        match = (self.users(user) * self.films(film)).sum(1)
        score = match + self.user_bias(user).squeeze(1) + self.film_bias(film).squeeze(1)
        return 1 + 4 * torch.sigmoid(score)  # stars


def make_ratings(generator):
    """Every user's stars for every film, and one in five of them as (user, film, stars)."""
    tastes = torch.randn(USERS, 4, generator=generator)
    traits = torch.randn(FILMS, 4, generator=generator)
    noise = torch.randn(USERS, FILMS, generator=generator)
    stars = (3 + 0.8 * tastes @ traits.t() + 0.3 * noise).clamp(1, 5)
    known = torch.randperm(USERS * FILMS, generator=generator)[: USERS * FILMS // 5]
    user, film = known // FILMS, known % FILMS
    return TensorDataset(user, film, stars[user, film])


def main():
    args = arguments(__doc__, epochs=15, factors=8)
    torch.manual_seed(args.seed)
    ratings = make_ratings(torch.Generator().manual_seed(args.seed))
    trainset, testset = random_split(ratings, [7168, 1024])
    trainloader = DataLoader(trainset, batch_size=256, shuffle=True)
    testloader = DataLoader(testset, batch_size=256)

    model = Recommender(USERS, FILMS, args.factors).to(args.device)
    criterion = nn.MSELoss()
    optimizer = optim.AdamW(model.parameters(), lr=0.02, weight_decay=1e-2)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.05, pct_start=0.1, epochs=args.epochs, steps_per_epoch=len(trainloader)
    )

    run = Run(args)
    for epoch in run.epochs():
        for user, film, stars in run.batches(trainloader, epoch):
            predicted = model(user.to(args.device), film.to(args.device))
            loss = criterion(predicted, stars.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            run.record(loss=loss)

        near = 0
        squares = 0.0
        with torch.no_grad():
            for user, film, stars in testloader:
                error = model(user.to(args.device), film.to(args.device)) - stars.to(args.device)
                squares += error.square().sum().item()
                near += (error.abs() < 0.5).sum().item()
        print(
            f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}, "
            f"Test RMSE: {(squares / len(testset)) ** 0.5:.4f}, within half a star: {100 * near / len(testset):.1f}%"
        )


if __name__ == "__main__":
    main()
