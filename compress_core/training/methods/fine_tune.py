"""Fine-tuning."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.training.knob_tasks import FOR_CLASSES
from compress_core.training.method import Hooks, training_method
from compress_core.training.objective import TrainingObjective


def label_loss(objective: TrainingObjective, answers: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """How wrong answers [n, classes] are by their labels [n], as their kind has it, a scalar."""
    return objective.label_loss(answers, labels, smoothing)


@training_method(order=1)
def fine_tune(
    *,
    smoothing: Annotated[
        float,
        Field(ge=0, lt=1, description="Share of each label that is spread over all classes."),
        Unit("share"),
        SliderStep(0.01),
        FOR_CLASSES,
    ] = 0.0,
) -> Hooks:
    """Go on training on labeled items: what is pruned stays zero, what is quantized keeps its codes.

    Cross-entropy with the labels, batch mean, in nats, binary for each of several labels; of real numbers the
    mean squared error in variances of the labels. Levels of a codebook, scales, factors, biases and norms
    learn; masks and codes are held. An embedding has no labels: distill.

    Han et al. 2015, arXiv:1506.02626, section 3; levels as in Han et al. 2016, arXiv:1510.00149, section 3.3.
    """
    return Hooks(loss=partial(label_loss, smoothing=smoothing))
