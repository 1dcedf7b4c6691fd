"""The workloads, each written once in ordinary PyTorch, with the library as a parameter.

A workload is a function ``build(torch, device) -> (model, step)``; ``step(*batch)`` trains on one batch
and returns the loss, unread. Batches come from NumPy, the same for every side (`batches`).
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Workload:
    """A training loop.

    Attributes:
        name: short, for the command line and JSON.
        title: what it is, for tables.
        build: ``(torch, device) -> (model, step)``.
        batch: ``(generator) -> arrays``, one batch.
        random: whether steps draw random numbers, so that losses differ between libraries.
    """

    name: str
    title: str
    build: Callable[[Any, str], tuple[Any, Callable[..., Any]]]
    batch: Callable[[np.random.Generator], tuple[np.ndarray, ...]]
    random: bool = False

    def batches(self, count: int = 8) -> list[tuple[np.ndarray, ...]]:
        generator = np.random.default_rng(0)
        return [self.batch(generator) for _ in range(count)]


def mlp(torch: Any, device: str = "cpu") -> Any:
    nn, F = torch.nn, torch.nn.functional

    class MLP(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(784, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.fc2(F.relu(self.fc1(x)))

    model = MLP().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def cnn(torch: Any, device: str = "cpu") -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3, 1)
            self.conv2 = nn.Conv2d(32, 64, 3, 1)
            self.dropout1 = nn.Dropout(0.25)
            self.dropout2 = nn.Dropout(0.5)
            self.fc1 = nn.Linear(9216, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = self.dropout1(F.max_pool2d(x, 2))
            x = F.relu(self.fc1(torch.flatten(x, 1)))
            return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)

    model = Net().to(device)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def resnet18(torch: Any, device: str = "cpu") -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.shortcut = nn.Sequential()
            if stride != 1 or channels != out:
                self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x: Any) -> Any:
            y = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            blocks, channels = [], 64
            for out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
                blocks += [Block(channels, out, stride), Block(out, out, 1)]
                channels = out
            self.blocks = nn.Sequential(*blocks)
            self.fc = nn.Linear(512, 10)

        def forward(self, x: Any) -> Any:
            x = self.blocks(F.relu(self.bn1(self.conv1(x))))
            return self.fc(torch.flatten(F.avg_pool2d(x, 4), 1))

    model = ResNet().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


VOCABULARY, WIDTH, TIME, BATCH = 5000, 200, 35, 20


def lstm(torch: Any, device: str = "cpu") -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Embedding(VOCABULARY, WIDTH)
            self.rnn = nn.LSTM(WIDTH, WIDTH, 2)
            self.decoder = nn.Linear(WIDTH, VOCABULARY)

        def forward(self, tokens: Any, hidden: Any) -> Any:
            output, hidden = self.rnn(self.encoder(tokens), hidden)
            return self.decoder(output).view(-1, VOCABULARY), hidden

    model = Language().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    hidden = (torch.zeros(2, BATCH, WIDTH, device=device), torch.zeros(2, BATCH, WIDTH, device=device))

    def step(tokens: Any, targets: Any) -> Any:
        nonlocal hidden
        hidden = tuple(h.detach() for h in hidden)
        optimizer.zero_grad()
        logits, hidden = model(tokens, hidden)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        return loss

    return model, step


LAYERS, HEADS, EMBED, CONTEXT, CHARACTERS = 4, 4, 128, 64, 65


def gpt(torch: Any, device: str = "cpu") -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(EMBED, 3 * EMBED)
            self.proj = nn.Linear(EMBED, EMBED)

        def forward(self, x: Any) -> Any:
            n, t, c = x.shape
            q, k, v = (u.view(n, t, HEADS, c // HEADS).transpose(1, 2) for u in self.qkv(x).split(EMBED, dim=2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.proj(y.transpose(1, 2).contiguous().view(n, t, c))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln1 = nn.LayerNorm(EMBED)
            self.attn = Attention()
            self.ln2 = nn.LayerNorm(EMBED)
            self.up = nn.Linear(EMBED, 4 * EMBED)
            self.down = nn.Linear(4 * EMBED, EMBED)

        def forward(self, x: Any) -> Any:
            x = x + self.attn(self.ln1(x))
            return x + self.down(F.gelu(self.up(self.ln2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte = nn.Embedding(CHARACTERS, EMBED)
            self.wpe = nn.Embedding(CONTEXT, EMBED)
            self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
            self.ln = nn.LayerNorm(EMBED)
            self.head = nn.Linear(EMBED, CHARACTERS, bias=False)

        def forward(self, tokens: Any) -> Any:
            x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
            for block in self.blocks:
                x = block(x)
            return self.head(self.ln(x))

    model = GPT().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)

    def step(tokens: Any, targets: Any) -> Any:
        logits = model(tokens)
        loss = F.cross_entropy(logits.view(-1, CHARACTERS), targets.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return model, step


def vae(torch: Any, device: str = "cpu") -> Any:
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(784, 400)
            self.fc21 = nn.Linear(400, 20)
            self.fc22 = nn.Linear(400, 20)
            self.fc3 = nn.Linear(20, 400)
            self.fc4 = nn.Linear(400, 784)

        def forward(self, x: Any) -> Any:
            h = F.relu(self.fc1(x.view(-1, 784)))
            mu, logvar = self.fc21(h), self.fc22(h)
            std = torch.exp(0.5 * logvar)
            z = mu + torch.randn_like(std) * std
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar

    model = VAE().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        decoded, mu, logvar = model(x)
        likelihood = F.binary_cross_entropy(decoded, x.view(-1, 784), reduction="sum")
        divergence = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = likelihood + divergence
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def _images(n: int, *shape: int) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    def batch(g: np.random.Generator) -> tuple[np.ndarray, ...]:
        return g.standard_normal((n, *shape), np.float32), g.integers(0, 10, n)

    return batch


def _tokens(g: np.random.Generator) -> tuple[np.ndarray, ...]:
    text = g.integers(0, VOCABULARY, (TIME + 1, BATCH))
    return text[:-1].copy(), text[1:].reshape(-1).copy()


def _characters(g: np.random.Generator) -> tuple[np.ndarray, ...]:
    text = g.integers(0, CHARACTERS, (12, CONTEXT + 1))
    return text[:, :-1].copy(), text[:, 1:].copy()


def _pictures(g: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (g.random((128, 1, 28, 28), np.float32),)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("mlp", "MLP 784-128-10, batch 64, SGD with momentum", mlp, _images(64, 784)),
        Workload("cnn", "MNIST CNN, batch 64, Adadelta, dropout", cnn, _images(64, 1, 28, 28), random=True),
        Workload("resnet18", "ResNet-18 on CIFAR, batch 16, SGD", resnet18, _images(16, 3, 32, 32)),
        Workload("lstm", "2-layer LSTM LM, V5000 H200 T35 B20", lstm, _tokens),
        Workload("gpt", "GPT, 4 layers, 128 wide, T64 B12, AdamW", gpt, _characters),
        Workload("vae", "VAE 784-400-20, batch 128, Adam", vae, _pictures, random=True),
    )
}


def parameters_of(model: Any) -> dict[str, np.ndarray]:
    """The parameters by name, copied: what the hand-written JAX starts from."""
    return {name: np.array(p.detach().numpy()) for name, p in model.named_parameters()}


def nominal_loss(name: str) -> float:
    """Loss of a uniform guess, near which untrained models start."""
    return {"lstm": math.log(VOCABULARY), "gpt": math.log(CHARACTERS)}.get(name, math.log(10))
