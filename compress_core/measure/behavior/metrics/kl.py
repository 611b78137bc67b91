"""Divergence of the output distributions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.mean_number import mean_number
from compress_core.measure.behavior.metric import EVERY_TASK, NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Floats
from compress_core.subject.answer_kind import AnswerKind

LEAST = 500  # items, from which on the interval holds the true mean in 19 of 20 cases
NO_DISTRIBUTION = N_("The answers are a share for each class by itself, no distribution over the classes.")
UNBOUNDED = N_("The model gives probability 0 to something the original holds possible.")
NO_SPREAD = N_("The original answers every item alike, so that no variance says how much a shift is.")


def kl_by_item(before: Predictions, after: Predictions, spread: Floats | None = None) -> Floats:
    """KL(original || model) of each item in nats, [N]; NaN where an output is not finite.

    Of real numbers it is that between two normal distributions about both answers, of the variance of the
    original's answers on these items: (a - b)^2 / (2 variance), summed over the values, whatever their unit;
    infinite where a value moves that was the same for all items. spread [C]: the roots of these variances
    where more items tell them. Of vectors at length 1: half the squared distance, a variance of 1.

    Kullback 1959, Information Theory and Statistics, chapter 9 (equal covariances).
    """
    if before.kind is AnswerKind.VALUES:
        return _of_values(before, after, before.spread if spread is None else spread)
    if not before.kind.has_classes:
        one, other = (_places(each) for each in (before, after))
        apart: Floats = 0.5 * np.square(one - other).sum(axis=1)
        return apart
    log_before, log_after = before.log_probabilities, after.log_probabilities
    possible = ~np.isneginf(log_before)
    gap = np.subtract(log_before, log_after, out=np.zeros_like(log_before), where=possible)
    # Rounding may put equal distributions a hair below 0.
    divergence: Floats = np.maximum((before.probabilities * gap).sum(axis=1), 0.0)
    return divergence


def _of_values(before: Predictions, after: Predictions, spread: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = before.logits.astype(np.float64) - after.logits
        squared = np.square(apart / spread)
        divergence: Floats = 0.5 * np.where(apart == 0, 0.0, squared).sum(axis=1)
    return divergence


def _places(answered: Predictions) -> Floats:
    """Where vectors [N, C] stand on the unit sphere."""
    values = answered.logits.astype(np.float64)
    lengths = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    found: Floats = np.divide(values, lengths, out=np.full_like(values, np.nan), where=lengths > 0)
    return found


@metric(
    title="Mean KL divergence",
    unit="nat",
    direction="lower",
    needs_labels=False,
    order=6,
    interval="interval for skewed values",
    shown=Shown.TILE,
    tasks=EVERY_TASK,
)
def kl(before: Predictions, after: Predictions) -> Number:
    """How far the answers moved from the original's: probabilities, or real numbers in their spread.

    Mean of KL(original || model) in nats. Of real numbers it is that of two normal distributions, of the
    variance of the original's answers on these items. The interval takes into account that few items make up
    most of it; below 500 items there is none, as these few may be missing.

    Kullback and Leibler 1951, Annals of Mathematical Statistics 22, 79-86; of real numbers Kullback 1959,
    Information Theory and Statistics, chapter 9.
    """
    if AnswerKind.SHARES in {before.kind, after.kind}:
        return Number.missing("nat", NO_DISTRIBUTION, after.n)
    return mean_kl(after.by_item(kl_by_item(before, after)), before.kind)


def mean_kl(divergence: Floats, kind: AnswerKind) -> Number:
    """The mean of divergences [N] that were measured item by item, with its interval."""
    if np.isnan(divergence).any():
        return Number.missing("nat", NOT_FINITE, divergence.size)
    if np.isinf(divergence).any():
        return Number.missing("nat", NO_SPREAD if kind is AnswerKind.VALUES else UNBOUNDED, divergence.size)
    found = mean_number(divergence, "nat", least=LEAST)
    return found if found.low is None else replace(found, low=max(0.0, found.low))
