"""An LSTM that tells good film reviews from bad ones, of the few that come with the examples."""

import pathlib

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim
from torchlike.utils.data import DataLoader, Dataset, Subset

from common import Run, arguments

REVIEWS = pathlib.Path(__file__).parent / "data" / "reviews.tsv"
LENGTH = 16  # words; the longest review has 14
PADDING, UNKNOWN = 0, 1


class Reviews(Dataset):
    """Lines of a label, a tab, and words; as numbers of words, padded, with how many they are and the label."""

    def __init__(self, path):
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        self.labels = [int(label) for label, _ in lines]
        self.texts = [text.split() for _, text in lines]
        words = sorted({word for text in self.texts for word in text})
        self.vocabulary = {word: i for i, word in enumerate(words, start=2)}

    def encode(self, words):
        numbers = [self.vocabulary.get(word, UNKNOWN) for word in words[:LENGTH]]
        return torch.tensor(numbers + [PADDING] * (LENGTH - len(numbers))), len(numbers)

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return *self.encode(self.texts[index]), self.labels[index]


class SentimentLSTM(nn.Module):
    def __init__(self, vocabulary_size, embedding_size=32, hidden_size=32):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden_size, 1)

    def forward(self, words, lengths):
        states, _ = self.lstm(self.embedding(words))  # (N, LENGTH, 2 * hidden)
        mask = torch.arange(words.size(1), device=words.device) < lengths.unsqueeze(1)
        mean = (states * mask.unsqueeze(2)).sum(1) / lengths.unsqueeze(1)  # over the words, not the padding
        return self.fc(mean).squeeze(1)


def split(reviews):
    """Three quarters to train on. Reviews come in pairs that share many words: a pair stays together."""
    pairs = torch.randperm(len(reviews) // 2).tolist()
    order = [i for pair in pairs for i in (2 * pair, 2 * pair + 1)]
    return Subset(reviews, order[:192]), Subset(reviews, order[192:])


def main():
    args = arguments(__doc__, epochs=15)
    torch.manual_seed(args.seed)
    reviews = Reviews(REVIEWS)
    trainset, testset = split(reviews)
    trainloader = DataLoader(trainset, batch_size=16, shuffle=True)
    testloader = DataLoader(testset, batch_size=len(testset))

    model = SentimentLSTM(len(reviews.vocabulary) + 2).to(args.device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)

    run = Run(args)
    for epoch in run.epochs():
        model.train()
        right = 0
        for words, lengths, labels in run.batches(trainloader, epoch):
            words, lengths, labels = words.to(args.device), lengths.to(args.device), labels.to(args.device)
            scores = model(words, lengths)
            loss = criterion(scores, labels.float())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            run.record(loss=loss)
            right += ((scores > 0) == labels.bool()).sum()
        if (epoch + 1) % 5 == 0:
            accuracy = 100 * right.item() / len(trainset)
            print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}, Accuracy: {accuracy:.1f}%")

    model.eval()
    with torch.no_grad():
        for words, lengths, labels in testloader:
            scores = model(words.to(args.device), lengths.to(args.device))
            accuracy = ((scores > 0) == labels.to(args.device).bool()).float().mean().item()
        print(f"Accuracy on {len(testset)} unseen reviews: {100 * accuracy:.1f}%")
        for text in ("a wonderful and clever film", "a boring and stupid film"):
            words, length = reviews.encode(text.split())
            score = model(words.unsqueeze(0).to(args.device), torch.tensor([length], device=args.device))
            print(f"{text}: {torch.sigmoid(score).item():.2f}")


if __name__ == "__main__":
    main()
