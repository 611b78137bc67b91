"""Fine-tuning."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.training.method import Hooks, training_method


def label_loss(scores: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """Mean cross-entropy with the labels in nats; scores [n, classes], labels [n]."""
    return cross_entropy(scores, labels, label_smoothing=smoothing)


@training_method(order=1)
def fine_tune(
    *,
    smoothing: Annotated[
        float,
        Field(ge=0, lt=1, description="Share of each label that is spread over all classes."),
        Unit("share"),
        SliderStep(0.01),
    ] = 0.0,
) -> Hooks:
    """Go on training on labeled items: what is pruned stays zero, what is quantized keeps its codes.

    Cross-entropy with the labels, batch mean, in nats. Levels of a codebook, scales, factors, biases and
    norms learn; masks and codes are held.

    Han et al. 2015, arXiv:1506.02626, section 3; levels as in Han et al. 2016, arXiv:1510.00149, section 3.3.
    """
    return Hooks(loss=partial(label_loss, smoothing=smoothing))
