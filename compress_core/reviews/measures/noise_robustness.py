"""Whether the compressed model bears a little noise as well as the original does."""

from __future__ import annotations

import torch

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import predicted_once
from compress_core.measure.behavior.metric import metrics
from compress_core.measure.explain.explanation import noisy
from compress_core.measure.explain.similarity import support_of
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure
from compress_core.subject.split import Split

NO_NOISE = N_("The inputs are no real numbers, so a little noise means nothing.")


@review_measure(
    title=N_("Accuracy change under noise"), unit="points", direction="higher", order=5, narrowing="paired"
)
def noise_robustness(evidence: Evidence) -> Number:
    """How many points of accuracy were won (or lost, below 0), both models seeing the same noisy items.

    Gaussian noise on the support of each item, its deviation a small share of that of all inputs. Paired
    interval of Tango. A model that lost nothing on clean items may lose here.
    """
    split = evidence.split
    if not split.inputs.is_floating_point():
        return Number.missing("points", NO_NOISE, len(split))
    shaken = shaken_items(split, evidence)
    store = evidence.store.without_workspace()
    before, after = (
        predicted_once(model, shaken, store)
        for model in (Model.original(evidence.model.subject), evidence.model)
    )
    return metrics()["accuracy_change"](after, before)


def shaken_items(split: Split, evidence: Evidence) -> Split:
    """The items with noise on their support, [N, ...]."""
    inputs = split.inputs
    support = support_of(inputs, evidence.model.subject.input.baseline)
    deviation = evidence.noise * float(inputs.std())
    shaken = noisy(inputs, support, deviation, evidence.seed)
    return Split(split.name, shaken.to(torch.float32), split.labels)
