"""Knowledge distillation."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import log_softmax, mse_loss

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.training.class_objective import kl_divergence
from compress_core.training.knob_tasks import FOR_CLASSES, FOR_LABELED
from compress_core.training.matched_features import LAST_HIDDEN, Features
from compress_core.training.method import Hooks, training_method
from compress_core.training.objective import TrainingObjective


def distillation(
    objective: TrainingObjective,
    answers: Tensor,
    teacher_answers: Tensor,
    labels: Tensor | None,
    *,
    temperature: float,
    share: float,
) -> Tensor:
    """(1 - share) loss against labels + share x loss against the teacher, as the kind of answer has them.

    answers, teacher_answers [n, classes], labels [n]; without labels the teacher counts alone.

    Hinton et al. 2015, arXiv:1503.02531, section 2.
    """
    taught = objective.teacher_loss(answers, teacher_answers, temperature)
    if labels is None:
        return taught
    return (1 - share) * objective.label_loss(answers, labels, 0.0) + share * taught


def decoupled(
    objective: TrainingObjective,
    answers: Tensor,
    teacher_answers: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    share: float,
    others_weight: float,
) -> Tensor:
    """The divergence in two parts: that of target class against the rest, and that among the rest.

    answers, teacher_answers [n, classes], labels [n] -> nats. With a weight of 1 - p_teacher(target) the
    parts would add up to the divergence; here the second one weighs `others_weight` for every item.

    Zhao et al. 2022, arXiv:2203.08679, eq. 7.
    """
    target = torch.nn.functional.one_hot(labels, answers.shape[1]).bool()
    student, teacher = answers / temperature, teacher_answers / temperature
    of_target = kl_divergence(_target_or_rest(student, target), _target_or_rest(teacher, target))
    of_others = kl_divergence(_among_rest(student, target), _among_rest(teacher, target))
    soft = temperature**2 * (of_target + others_weight * of_others)
    return (1 - share) * objective.label_loss(answers, labels, 0.0) + share * soft


def _target_or_rest(scores: Tensor, target: Tensor) -> Tensor:
    """log [p(target), p(any other)] of each item [n, 2]."""
    logs = log_softmax(scores, dim=1)
    others = logs.masked_fill(target, -torch.inf).logsumexp(dim=1)
    return torch.stack([logs[target], others], dim=1)


def _among_rest(scores: Tensor, target: Tensor) -> Tensor:
    """log p(class | not the target) of each item [n, classes - 1]."""
    rest = scores[~target].view(len(scores), -1)
    return log_softmax(rest, dim=1)


def features_apart(features: Features, *, weight: float) -> Tensor:
    """weight x mean squared difference of the outputs of hidden layers, those of each layer alike, a scalar.

    features: pairs of any shape, student and teacher.

    Romero et al. 2015, arXiv:1412.6550, eq. 3, without its regressor.
    """
    return weight * torch.stack([mse_loss(student, teacher) for student, teacher in features]).mean()


@training_method(order=2)
def distill(
    *,
    temperature: Annotated[
        float,
        Field(
            ge=0.5,
            le=50,
            description="How soft the answers are made: above 1, small ones count more.",
        ),
        SliderStep(0.5),
        FOR_CLASSES,
    ] = 4.0,
    share: Annotated[
        float,
        Field(ge=0, le=1, description="How much the teacher's answers count; the labels count for the rest."),
        Unit("share"),
        SliderStep(0.05),
        FOR_LABELED,
    ] = 0.9,
    divergence: Annotated[
        Literal["whole", "decoupled"],
        Field(description="Whether target class and other classes are weighed apart (decoupled)."),
        FOR_CLASSES,
    ] = "whole",
    others_weight: Annotated[
        float,
        Field(ge=0, le=64, description="Decoupled: how much the classes beside the target count."),
        SliderStep(0.5),
        FOR_CLASSES,
    ] = 8.0,
    feature_weight: Annotated[
        float,
        Field(
            ge=0,
            le=1000,
            description="How much outputs of hidden layers that differ cost; 0 leaves them out.",
        ),
        SliderStep(0.1),
    ] = 0.0,
    feature_layers: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="Whose outputs are compared: the last layer but one, or names with commas between.",
            examples=[LAST_HIDDEN],
        ),
    ] = LAST_HIDDEN,
) -> Hooks:
    """Learn from what the parent answers, the wrong classes included, beside the labels.

    Loss = (1 - share) cross-entropy + share T^2 KL(teacher at T || student at T), batch mean, in nats, of
    several labels for each of them; of real numbers both are mean squared errors in variances, of vectors it
    is 1 - cosine with the teacher's. To that comes feature_weight x mean squared difference of outputs of
    hidden layers where it is not 0. The teacher is the model as loaded, unless another is named.

    Hinton et al. 2015, arXiv:1503.02531, section 2; decoupled: Zhao et al. 2022, arXiv:2203.08679, eq. 7;
    hidden layers: Romero et al. 2015, arXiv:1412.6550, eq. 3; real numbers: Ba and Caruana 2014,
    arXiv:1312.6184, eq. 1; vectors: Sanh et al. 2019, arXiv:1910.01108, section 2.
    """
    loss = partial(distillation, temperature=temperature, share=share)
    if divergence == "decoupled":
        loss = partial(decoupled, temperature=temperature, share=share, others_weight=others_weight)
    if feature_weight == 0:
        return Hooks(loss=loss)
    return Hooks(loss=loss, penalty=partial(features_apart, weight=feature_weight), features=feature_layers)
