"""After an epoch: what would be stored is judged on validation items, and the better one is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from compress_core.apply.model import Model
from compress_core.apply.trained import TrainedWeights, trained_model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.measure.behavior.evaluate import predict, predicted_once
from compress_core.training.checkpoint import Checkpoint, EpochFigures
from compress_core.training.hook_calls import shrunk_layers
from compress_core.training.optimizer import Optimizer
from compress_core.training.trainee import Trainee
from compress_core.training.training_run import TrainingRun


@dataclass(frozen=True, eq=False)
class PassOver:
    """An epoch that is over, from 0: its mean loss, and the masks with which it began."""

    number: int
    loss: float
    masks: Mapping[str, Tensor]


def judged(
    run: TrainingRun,
    trainee: Trainee,
    optimizer: Optimizer,
    before: Checkpoint | None,
    epoch: PassOver,
    store: Store,
) -> Checkpoint:
    """The training after an epoch: what would be stored is judged, and the better one is kept."""
    weights = trainee.encoded(shrunk_layers(run.plan, trainee))
    measured = _score(run, weights, epoch.number, store)
    rate = run.learning_rate(run.end_of(epoch.number + 1))
    sparsity, grown = _sparsity(trainee, weights), _grown(trainee, epoch.masks)
    units, inputs = _zero_units(trainee, weights), trainee.heard.share_of_zeros()
    figures = EpochFigures(
        epoch.number + 1,
        epoch.loss,
        rate,
        measured,
        run.objective.metric_name,
        sparsity,
        grown,
        units,
        inputs,
    )
    is_best = before is None or not _is_ready(run, before.best_epoch) or _better(measured, before)
    kept = trainee.kept()
    return Checkpoint(
        history=(*(() if before is None else before.history), figures),
        learned=kept.learned,
        masks={
            name: each.mask.clone()
            for name, each in trainee.parametrizations.items()
            if each.mask is not None
        },
        state=kept.state,
        optimizer=optimizer.state(),
        best=weights if is_best or before is None else before.best,
        best_epoch=figures.epoch if is_best or before is None else before.best_epoch,
        early=trainee.early,
    )


def _is_ready(run: TrainingRun, epoch: int) -> bool:
    """Whether an epoch, counted from 1, has what the methods promise; until then the latest is nearest."""
    return run.end_of(epoch).share >= run.plan.ready_at


def _better(measured: Number, before: Checkpoint) -> bool:
    """Whether a score is above that of the best epoch so far; of equal ones the earlier stays."""
    best = before.history[before.best_epoch - 1].score.value
    return measured.value is not None and (best is None or measured.value > best)


def _score(run: TrainingRun, weights: TrainedWeights, epoch: int, store: Store) -> Number:
    metric = run.objective.metric
    key = digest(run.model.key, run.operation.key, epoch)
    model = trained_model(run.model, run.after(epoch + 1), weights, key)
    original = None
    if "before" in metric.needs:
        original = predict(Model.original(run.model.subject), run.validation, store)
    return metric(predicted_once(model, run.validation, store), original)


def _sparsity(trainee: Trainee, weights: TrainedWeights) -> dict[str, float]:
    parts = [encoded for layer in weights.layers.values() for encoded in layer]
    return {
        name: encoded.zeros.total / max(1, encoded.weight.numel())
        for name, encoded in zip(trainee.parts, parts, strict=True)
    }


def _zero_units(trainee: Trainee, weights: TrainedWeights) -> dict[str, int]:
    if not trainee.units:
        return {}
    parts = (encoded for layer in weights.layers.values() for encoded in layer)
    values = {name: encoded.values for name, encoded in zip(trainee.parts, parts, strict=True)}
    return {each.group: int((each.squared_norms(values) == 0).count_nonzero()) for each in trainee.units}


def _grown(trainee: Trainee, before: Mapping[str, Tensor]) -> dict[str, int]:
    now = trainee.masks()
    return {name: int((now[name] & ~mask).count_nonzero()) for name, mask in before.items()}
