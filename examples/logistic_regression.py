"""Logistic regression: tell benign from malignant tumours in scikit-learn's breast cancer data."""

from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim

from common import Run, arguments


def main():
    args = arguments(__doc__, epochs=200)
    torch.manual_seed(args.seed)

    data = load_breast_cancer()
    x = torch.from_numpy(StandardScaler().fit_transform(data.data)).float().to(args.device)
    y = torch.from_numpy(data.target).float().unsqueeze(1).to(args.device)
    x_train, y_train, x_test, y_test = x[:400], y[:400], x[400:], y[400:]

    model = nn.Linear(x.shape[1], 1).to(args.device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)

    run = Run(args)
    for epoch in run.epochs():
        optimizer.zero_grad()
        loss = criterion(model(x_train), y_train)
        loss.backward()
        optimizer.step()
        run.record(loss=loss)
        if (epoch + 1) % 50 == 0:
            print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}")

    with torch.no_grad():
        predicted = torch.sigmoid(model(x_test)) > 0.5
        accuracy = (predicted == (y_test > 0.5)).float().mean().item()
    print(f"Accuracy on {len(x_test)} unseen cases: {100 * accuracy:.1f}%")


if __name__ == "__main__":
    main()
