"""Linear regression on data made by scikit-learn."""

from sklearn import datasets
from sklearn.preprocessing import StandardScaler

import torchlike as torch
import torchlike.nn as nn
import torchlike.optim as optim

from common import Run, arguments


class LinearRegressionModel(nn.Module):
    def __init__(self, input_size, output_size):
        super(LinearRegressionModel, self).__init__()
        self.linear = nn.Linear(input_size, output_size)

    def forward(self, x):
        out = self.linear(x)
        return out


def main():
    args = arguments(__doc__, epochs=100)
    torch.manual_seed(args.seed)

    X_train, y_train = datasets.make_regression(n_samples=100, n_features=1, noise=2, random_state=args.seed)
    scaler = StandardScaler()
    X_train = scaler.fit_transform(X_train)
    y_train = scaler.fit_transform(y_train.reshape(-1, 1))

    model = LinearRegressionModel(1, 1).to(args.device)
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    run = Run(args)
    for epoch in run.epochs():
        inputs = torch.from_numpy(X_train.astype("float32")).to(args.device)
        labels = torch.from_numpy(y_train.astype("float32")).to(args.device)

        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()

        run.record(loss=loss)
        if (epoch + 1) % 10 == 0:
            print("Epoch [{}/{}], Loss: {:.4f}".format(epoch + 1, args.epochs, loss.item()))

    weight, bias = model.linear.weight.item(), model.linear.bias.item()
    print(f"y = {weight:.4f} x + {bias:.4f}")


if __name__ == "__main__":
    main()
