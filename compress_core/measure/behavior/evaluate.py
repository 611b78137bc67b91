"""Run models over a split: predictions kept by content, computed from the first changed weight on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import torch
from torch import Tensor, nn

from compress_core.apply.kept_models import keep_model
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import memory_budget
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.foundation.workspace.json_text import Json
from compress_core.foundation.workspace.model_tree import EVERYBODY
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.metric import numbers
from compress_core.measure.behavior.predictions import Predictions
from compress_core.measure.behavior.replay import Recording, record, replay
from compress_core.measure.cost.cost import costs
from compress_core.network.living_memory import living_memory
from compress_core.network.shared_copy import shared_copy
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.judged_rows import refuse_other_shape
from compress_core.subject.split import BATCH, Split
from compress_core.subject.subject import Subject

REPLAY_LEAST, REPLAY_MOST, REPLAY_PASSES = 2**25, 2**28, 1.5
"""What a recording keeps: 1.5 times what a pass of all items takes, within these bounds and a quarter of the
memory budget."""
REPORTING = "test"  # a look at these items is noted: whoever chooses by them has none left to report on
PREDICTIONS = "predictions"  # under this word the store counts what was computed and what was found


def parameters_of(subject: Subject, names: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters in which the weights of these layers lie."""
    places = (place for name in names for place in subject.layer(name).places)
    return tuple(".".join(filter(None, (place.module, place.parameter))) for place in places)


def recording_of(subject: Subject, split: Split, store: Store) -> Recording:
    """One noted pass of the original over a split; every later evaluation starts from it."""
    names = parameters_of(subject, tuple(subject.by_name))
    return store.get(
        digest("recording", subject.key, split.digest, memory_budget()),
        lambda: recorded(shared_copy(subject.network), names, split),
        lambda r: r.nbytes,
    )


def recorded(network: nn.Module, parameters: tuple[str, ...], split: Split) -> Recording:
    """One noted pass of a network that the caller owns, for passes in which these parameters changed."""
    living = living_memory(network, split.inputs[:1])
    keep = min(
        max(REPLAY_LEAST, round(REPLAY_PASSES * len(split) * living.peak)), REPLAY_MOST, _kept_at_most()
    )
    rows = living.rows_within(memory_budget() - _kept_at_most(), BATCH)
    return record(network, split.batches(rows), parameters, keep)


def _kept_at_most() -> int:
    return memory_budget() // 4


def predicted_once(model: Model, split: Split, store: Store) -> Predictions:
    """The same as `predict`, which nobody will ask for again: nothing of it is kept."""
    return _as_predictions(_computed(model, split, store), model, split)


def predict(model: Model, split: Split, store: Store) -> Predictions:
    """What a model answers on every item of a split; raises Refused where it is no classifier."""
    key = _predictions_key(model, split)

    def make() -> Predictions:
        logits = store.lasting(PREDICTIONS, key, lambda: _computed(model, split, store))
        return _as_predictions(logits, model, split)

    return store.get(key, make, lambda p: 3 * p.logits.nbytes + 4096)


def _as_predictions(outputs: Tensor, model: Model, split: Split) -> Predictions:
    return predictions_of(outputs, split, model.key, model.subject.answers)


def predictions_of(outputs: Tensor, split: Split, key: str, kind: AnswerKind) -> Predictions:
    """What outputs [N, ...] for all items of a split are of a kind; key names the model."""
    return Predictions.of(outputs, split.labels, split=split.name, items=split.digest, key=key, kind=kind)


def _computed(model: Model, split: Split, store: Store) -> Tensor:
    recording, kind = recording_of(model.subject, split, store), model.subject.answers
    if not model.is_changed:
        return logits_of(recording.outputs, kind)
    return logits_of(replay(model.network(), recording, model.changed_parameters), kind)


def _predictions_key(model: Model, split: Split) -> str:
    # The budget decides how many items go through together, and with them the last bits.
    return digest("predictions", model.key, split.digest, memory_budget())


def is_predicted(model: Model, split: Split, store: Store) -> bool:
    """Whether this model's answers on this split are already known."""
    key = _predictions_key(model, split)
    return store.has(key) or store.lasts(key)


def logits_of(outputs: tuple[Tensor, ...], kind: AnswerKind) -> Tensor:
    """The outputs of all batches [n, ...] as one table; raises Refused where they are not of the kind."""
    for output in outputs:
        refuse_other_shape(output, kind)
    return torch.cat(outputs).float()


def evaluate(model: Model, split: Split, store: Store) -> Mapping[str, Number]:
    """Every number of one model on one split, with its size; churn and the like against the original.

    The workspace notes them for who lists models. They are never read from there: made of predictions they
    take milliseconds, and a metric of somebody's own may have changed.
    """
    before = predict(Model.original(model.subject), split, store)
    found = {**numbers(predict(model, split, store), before), **costs(model, store)}
    with suppress(Refused):  # a disk that is full is no reason to stop
        _note(model, split, found, store)
    return found


def _note(model: Model, split: Split, found: Mapping[str, Number], store: Store) -> None:
    """Keep the numbers once in each process, and again where somebody deleted the model since."""
    if store.workspace is None:
        return
    noted = digest("noted", model.key, split.digest)
    if store.has(noted) and store.workspace.evaluations.has(model.key, split.digest):
        return
    keep_model(model, store)
    if split.name == REPORTING and model.is_changed:
        store.workspace.looks.note(EVERYBODY, *look_place(model.subject, split), model.key)
    said: dict[str, Json] = {name: number.as_json() for name, number in found.items()}
    store.workspace.evaluations.keep(model.key, split.name, split.digest, len(split), said)
    store.get(noted, lambda: True)


def look_place(subject: Subject, split: Split) -> tuple[str, str]:
    """Under which network and items looks are counted, whoever counts: weights and structure, no code."""
    return subject.digest, split.digest


def compare(model: Model, split: Split, store: Store) -> Comparison:
    """The original against the model on the same items."""
    before = predict(Model.original(model.subject), split, store)
    return Comparison(before, predict(model, split, store))
