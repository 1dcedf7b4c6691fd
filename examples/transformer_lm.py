"""A small Transformer that learns to write sonnets, letter by letter."""

import pathlib

import torchlike as torch
import torchlike.nn as nn
import torchlike.nn.functional as F
import torchlike.optim as optim

from common import Run, arguments

TEXT = pathlib.Path(__file__).parent / "data" / "sonnets.txt"


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def attention(self, x):
        n, t, c = x.shape
        # Each of q, k and v: (N, heads, T, C / heads).
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, c))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TransformerLM(nn.Module):
    def __init__(self, letters, context, width=64, heads=4, layers=2):
        super().__init__()
        self.context = context
        self.letters = nn.Embedding(letters, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters, bias=False)
        self.head.weight = self.letters.weight
        nn.init.normal_(self.letters.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, x):
        x = self.letters(x) + self.positions(torch.arange(x.size(1), device=x.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    @torch.no_grad()
    def write(self, start, length):
        """Go on from ``start``: always the context's last letters, so that every step has the same shape."""
        text = start
        for _ in range(length):
            scores = self(text[:, -self.context :])[:, -1]
            letter = torch.multinomial(F.softmax(scores / 0.8, dim=-1).cpu(), 1).to(text.device)
            text = torch.cat([text, letter], dim=1)
        return text


def main():
    args = arguments(__doc__, epochs=10, context=64, width=64, layers=2)
    torch.manual_seed(args.seed)
    text = TEXT.read_text()
    letters = sorted(set(text))
    number = {letter: i for i, letter in enumerate(letters)}
    data = torch.tensor([number[letter] for letter in text])
    split = int(0.9 * len(data))
    train, test = data[:split], data[split:]

    def batch(part, size=12):
        starts = torch.randint(len(part) - args.context, (size,)).tolist()
        x = torch.stack([part[i : i + args.context] for i in starts])
        y = torch.stack([part[i + 1 : i + 1 + args.context] for i in starts])
        return x.to(args.device), y.to(args.device)

    model = TransformerLM(len(letters), args.context, args.width, layers=args.layers).to(args.device)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps_an_epoch = 50
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs * steps_an_epoch, eta_min=3e-4)

    run = Run(args)
    for epoch in run.epochs():
        model.train()
        for _ in run.batches(range(steps_an_epoch), epoch):
            x, y = batch(train)
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            run.record(loss=loss)

        model.eval()
        with torch.no_grad():
            x, y = batch(test, size=48)
            scores = model(x)
            test_loss = F.cross_entropy(scores.flatten(0, 1), y.flatten()).item()
            accuracy = (scores.argmax(-1) == y).float().mean().item()
        print(
            f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}, Test loss: {test_loss:.4f}, "
            f"next letter right: {100 * accuracy:.1f}%"
        )

    start = train[: args.context].unsqueeze(0).to(args.device)
    written = model.write(start, 200)[0, args.context :].tolist()
    print("".join(letters[i] for i in written))


if __name__ == "__main__":
    main()
