"""Losses with a margin, and connectionist temporal classification, against real torch."""

import pytest
import torch

from tests.differential import Case, agree, check, ints, randn, table, tensor

F = "nn.functional."
REDUCTIONS = ["none", "mean", "sum"]
X, Y, Z = randn(4, 5), randn(4, 5, salt=1), randn(4, 5, salt=2)
SIGNS = tensor([1, -1, 1, -1])

CASES = [
    case
    for r in REDUCTIONS
    for case in (
        Case(F + "margin_ranking_loss", X[0], Y[0], torch.sign(Z[0]), margin=0.2, reduction=r),
        Case(F + "hinge_embedding_loss", X, torch.sign(Y).long(), margin=0.5, reduction=r),
        Case(F + "cosine_embedding_loss", X, Y, SIGNS, margin=0.1, reduction=r),
        Case(F + "triplet_margin_loss", X, Y, Z, reduction=r),
        Case(F + "triplet_margin_loss", X, Y, Z, margin=0.5, p=1, swap=True, reduction=r),
        Case(F + "triplet_margin_with_distance_loss", X, Y, Z, swap=True, reduction=r),
        Case(F + "soft_margin_loss", X, torch.sign(Y), reduction=r),
        Case(F + "multilabel_soft_margin_loss", X, (Y > 0).float(), reduction=r),
        Case(F + "multilabel_soft_margin_loss", X, (Y > 0).float(), randn(5).abs(), reduction=r),
        Case(F + "multi_margin_loss", X, tensor([0, 4, 2, 2]), reduction=r),
        Case(F + "multi_margin_loss", X, tensor([0, 4, 2, 2]), p=2, margin=0.5, weight=randn(5).abs(), reduction=r, grad=False),
        Case(
            F + "multilabel_margin_loss",
            X,
            tensor([[0, 3, -1, 1, 2], [1, 2, 3, 4, 0], [-1, 0, 0, 0, 0], [2, 2, -1, 0, 0]]),
            reduction=r,
        ),
    )
] + [
    Case(F + "cosine_embedding_loss", X[0], Y[0], tensor(1)),
    Case(F + "multi_margin_loss", X[0], tensor(1)),
    Case(F + "multilabel_margin_loss", X[0], tensor([0, 3, -1, 1, 2])),
    Case(F + "cosine_embedding_loss", randn(2, 3), randn(2, 3), randn(3), raises=RuntimeError, message="equal"),
    Case(F + "cosine_embedding_loss", randn(2, 2, 3), randn(2, 2, 3), ints(2), raises=RuntimeError, message="equal"),
    Case(F + "hinge_embedding_loss", randn(2, 3), randn(2), raises=RuntimeError, message="equal"),
    Case(F + "margin_ranking_loss", randn(2), randn(3), randn(2), raises=RuntimeError, message="equal"),
    Case(F + "margin_ranking_loss", randn(2), randn(2, 1), randn(2), raises=RuntimeError, message="equal"),
    Case(F + "triplet_margin_loss", randn(2, 3), randn(2, 3), randn(2), raises=RuntimeError, message="equal"),
    Case(F + "triplet_margin_loss", X, Y, Z, margin=-1.0, raises=ValueError, message="equal"),
    Case(F + "soft_margin_loss", randn(2, 3), randn(2), raises=RuntimeError, message="equal"),
    Case(F + "multi_margin_loss", randn(2, 3), ints(3), raises=RuntimeError, message="equal"),
    Case(F + "multi_margin_loss", randn(2, 3), ints(2), p=3, raises=ValueError, message="equal"),
    Case(F + "multi_margin_loss", randn(2, 3), ints(2, high=3), weight=randn(2), raises=RuntimeError, message="equal"),
    Case(F + "multilabel_margin_loss", randn(2, 3), ints(2, 2), raises=RuntimeError, message="equal"),
    Case(F + "multilabel_margin_loss", randn(2, 3), randn(2, 3), raises=RuntimeError, message="equal"),
]


@table(CASES)
def test_margin_losses(case):
    check(case)


LOG = torch.log_softmax(randn(7, 3, 5), -1)
LABELS = tensor([[1, 2, 2, 3], [4, 1, 0, 0], [2, 2, 2, 2]])
CTC = [
    case
    for r in REDUCTIONS
    for case in (
        Case(F + "ctc_loss", LOG, LABELS, tensor([7, 6, 7]), tensor([4, 2, 4]), reduction=r),
        Case(F + "ctc_loss", LOG, LABELS, (7, 6, 7), (4, 2, 4), reduction=r, zero_infinity=True),
        Case(F + "ctc_loss", LOG, tensor([1, 2, 2, 3, 4, 1, 2]), (7, 5, 7), (4, 2, 1), blank=0, reduction=r),
        Case(F + "ctc_loss", LOG, LABELS, (7, 7, 7), (3, 0, 1), blank=4, reduction=r),
        Case(F + "ctc_loss", LOG, LABELS, (7, 3, 4), (3, 2, 4), reduction=r, zero_infinity=True),
    )
] + [
    Case(F + "ctc_loss", LOG[:, 0], LABELS[0, :3], tensor(7), tensor(3)),
    Case(F + "ctc_loss", LOG, LABELS, (7, 8, 7), (4, 2, 4), raises=RuntimeError, message="equal"),
    Case(F + "ctc_loss", LOG, LABELS, (7, 7, 7), (5, 2, 4), raises=RuntimeError, message="equal"),
    Case(F + "ctc_loss", LOG, LABELS, (7, 7, 7), (4, 2), raises=RuntimeError, message="equal"),
    Case(F + "ctc_loss", LOG, LABELS, (7, 7, 7), (4, 2, 4), blank=5, raises=RuntimeError, message="equal"),
    Case(F + "ctc_loss", LOG, LABELS, (7, 7, 7), (4, 2, 4), reduction="x", raises=ValueError, message="equal"),
    Case(F + "ctc_loss", LOG, LABELS, (7, 7.0, 7), (4, 2, 4), raises=TypeError, message="equal"),
    Case(F + "ctc_loss", LOG, LABELS, tensor([7, 7, 7]).float(), tensor([4, 2, 4]), raises=RuntimeError, message="equal"),
]


@table(CTC)
def test_ctc(case):
    check(case)


@pytest.mark.parametrize("zero_infinity", [True, False])
def test_ctc_through_log_softmax(zero_infinity):
    def program(torch, logits):
        logits.requires_grad_()
        loss = torch.nn.functional.ctc_loss(
            logits.log_softmax(-1), torch.tensor([[1, 2], [2, 2]]), (6, 5), (2, 2), zero_infinity=zero_infinity
        )
        loss.backward()
        return loss, logits.grad

    agree(program, randn(6, 2, 4))
