"""What `nn.functional` adds to the ops: compositions and deprecated names. Attention: `modules/test_attention.py`."""

import torch

from tests.differential import agree, randn
from tests.nn.told import told, warned


def test_linear_cross_entropy():
    def program(torch, x, weight, target, probabilities):
        loss = torch.nn.functional.linear_cross_entropy
        many = torch.ones(4, 2, 3)
        return told(
            lambda: loss(x, weight, target),
            lambda: loss(x[0], weight, target[0]),
            lambda: loss(x, weight, target, linear_bias=torch.ones(4), reduction="none", ignore_index=1),
            lambda: loss(x, weight, probabilities, label_smoothing=0.1, weight=torch.arange(1.0, 5.0)),
            lambda: loss(x, many, target[:, None].expand(5, 2), linear_bias=torch.ones(4, 2), reduction="sum"),
            lambda: loss(x[None], weight, target),
            lambda: loss(x, weight[0], target),
            lambda: loss(x, weight[:, :2], target),
            lambda: loss(x, weight, target, linear_bias=torch.ones(3)),
            lambda: loss(x[0], many, target[0]),
            lambda: loss(x, weight, probabilities, ignore_index=1),
            lambda: torch.nn.LinearCrossEntropyLoss(3, 4, out_features=(2,), bias=True)(x, target[:, None].expand(5, 2)),
        )

    probabilities = torch.full((5, 4), 0.25)
    agree(program, randn(5, 3), randn(4, 3), torch.tensor([0, 1, 2, 3, 1]), probabilities)


def test_deprecated_names_warn():
    def program(torch, x):
        functional = torch.nn.functional
        results = []
        warnings = warned(
            lambda: results.extend(
                [
                    functional.upsample(x, scale_factor=2),
                    functional.upsample(x, 4, mode="bilinear", align_corners=False),
                    functional.upsample_nearest(x, 4),
                    functional.upsample_bilinear(x, scale_factor=2),
                ]
            )
        )
        return results, warnings, functional.sigmoid(x), functional.tanh(x)

    agree(program, randn(1, 2, 3, 3))


def test_gradients_of_convolutions():
    def program(torch, x, weight):
        grad = torch.nn.grad
        output = torch.nn.functional.conv2d(x, weight, stride=2, padding=1, groups=2)
        given = torch.ones_like(output)
        line = torch.ones(1, 2, 4)
        return (
            grad.conv2d_input(x.shape, weight, given, stride=2, padding=1, groups=2),
            grad.conv2d_weight(x, weight.shape, given, stride=2, padding=1, groups=2),
            grad.conv1d_input((1, 3, 6), torch.ones(2, 3, 3), line),
            grad.conv1d_weight(torch.ones(1, 3, 6), (2, 3, 3), line),
        )

    agree(program, randn(2, 4, 5, 5), randn(6, 2, 3, 3))
