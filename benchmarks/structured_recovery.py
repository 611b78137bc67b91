"""Fewer channels at no loss: torch-pruning and our ways on one network, trained alike, tested once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import torch_pruning
from torch import nn

from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.face.train_compressed import train
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import evaluate, predicted_once
from compress_core.measure.cost.cost import costs
from compress_core.measure.speed.latency import EFFORT, PROCESSES, latency
from compress_core.measure.speed.own_process import can_split, in_own_process, in_this_process
from compress_core.measure.speed.rounds import Effort, this_machine
from compress_core.measure.speed.runtime import REFERENCE, TimedModel, runtime_named
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.subject import Subject, make_subject
from compress_core.subject.training_items import TrainingItems

MODEL, BATCH = "resnet", 1
SHARES = (0.5, 0.3)  # of the MACs, at most
SCOPES = ("each group", "all groups")  # among which units torch-pruning compares
EPOCHS = 2
STRENGTHS = (0.25, 0.28)  # of group lasso: from 0.3 on one epoch leaves nothing of this network
_FEW, _STEPS = 64, 7
_RATE, _FAST = 1e-3, 0.02
_HURRY = Effort(2, 2, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class _Row:
    """A network that came to its end, and how."""

    name: str
    model: Model


def lines(size: Size) -> Iterator[str]:
    """A line for each way and share: MACs, accuracy, whether that is a loss, and how much faster it runs."""
    subject, store = _subject(size), Store()
    original = Model.original(subject)
    rows = [_Row("as loaded", original)]
    for share, strength in zip(SHARES, STRENGTHS, strict=True) if size == FULL else [(0.5, 10.0)]:
        rows += _ways(original, share, strength, _RATE if size == FULL else _FAST, store)
    yield "| way | MACs | weights | validation | test | change, paired | no loss | ms | times faster |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:  # test is looked at here, once all choices are made
        yield _line(row, original, store, size)


def _subject(size: Size) -> Subject:
    subject = load_sample(MODEL)
    if size == FULL:
        return subject
    splits = {name: split.first(_FEW) for name, split in subject.splits.items()}
    items = TrainingItems.of(subject.split("training").first(_FEW))
    return replace(subject, splits=MappingProxyType(splits), training=items)


def _ways(original: Model, share: float, strength: float, rate: float, store: Store) -> Iterator[_Row]:
    most = share * _macs(original, store)
    of = f"{share:.0%} of the MACs"
    for scope in SCOPES:
        theirs = _fewest_cut(partial(_by_torch_pruning, original, scope), most, store)
        yield _Row(f"torch-pruning, {scope}, {of}; fine_tune", _trained(theirs, store))
    ours = _fewest_cut(lambda ratio: _by_magnitude(original, ratio, store), most, store)
    yield _Row(f"magnitude, {of}; fine_tune", _trained(ours, store))
    yield _Row(f"magnitude, {of}; distill", _trained(ours, store, "distill"))
    lasso = ["distill", "group_lasso"]
    pulled = train(
        original, lasso, store=store, epochs=EPOCHS - 1, seed=0, strength=strength, learning_rate=rate
    ).model
    cut = compressed_further(pulled, parse_recipe({"prepare": ["cut_zero_units"]}), store)
    yield _Row(
        f"group_lasso {strength:g}, cut; distill",
        train(cut, "distill", store=store, epochs=1, seed=0).model,
    )


def _trained(model: Model, store: Store, method: str = "fine_tune") -> Model:
    return train(model, method, store=store, epochs=EPOCHS, seed=0).model


def _fewest_cut(make: Callable[[float], Model], most: float, store: Store) -> Model:
    """The model that loses as little as makes it need so many MACs, by bisection of what is removed."""
    low, high = 0.0, 0.95
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _macs(make(middle), store) <= most else (middle, high)
    return make(high)


def _by_magnitude(original: Model, removed: float, store: Store) -> Model:
    step = {"technique": "magnitude", "share_removed": round(removed, 6)}
    return compressed_further(original, parse_recipe({"groups": [{"match": "*", "steps": [step]}]}), store)


def _by_torch_pruning(original: Model, scope: str, removed: float) -> Model:
    """What its pruner leaves, as a model of its own; lists and dicts are fresh."""
    subject = original.subject
    network = copy.deepcopy(subject.network).requires_grad_(requires_grad=True)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    torch_pruning.pruner.BasePruner(
        network,
        subject.split("validation").inputs[:2],
        importance=torch_pruning.importance.GroupMagnitudeImportance(),
        pruning_ratio=removed,
        global_pruning=scope == "all groups",
        ignored_layers=[last],
        pruning_ratio_dict={},
        customized_pruners={},
        unwrapped_parameters=[],
        num_heads={},
    ).step()
    name = f"{subject.name}, torch-pruning"
    made = make_subject(name, name, network, subject.input, subject.classes, subject.splits)
    return Model.original(replace(made, training=subject.training))


def _macs(model: Model, store: Store) -> float:
    value = costs(model, store)["macs"].value
    assert value is not None, "every layer of this network runs"
    return value


def _line(row: _Row, original: Model, store: Store, size: Size) -> str:
    test = original.subject.split("test")
    found = Comparison(predicted_once(original, test, store), predicted_once(row.model, test, store))
    change = found.numbers["accuracy_change"]
    validation = evaluate(row.model, original.subject.split("validation"), store)["accuracy"]
    measured, faster = _speed(row.model, original, store, size)
    weights = sum(layer.weights for layer in row.model.base.layers)
    cells = [
        row.name,
        f"{_macs(row.model, store):,.0f}",
        f"{weights:,}",
        _percent(validation),
        _percent(found.numbers["accuracy"]),
        f"{change.value:+.2f} ({change.low:+.2f} to {change.high:+.2f})",
        found.no_loss().outcome,
        f"{measured.value:.3f}",
        f"{faster.value:.2f} ({faster.low:.2f} to {faster.high:.2f})",
    ]
    return f"| {' | '.join(cells)} |"


def _speed(model: Model, original: Model, store: Store, size: Size) -> tuple[Number, Number]:
    """Processor milliseconds of one item, and the original's over them, in turns, as Deploy measures it."""
    sides = [
        TimedModel("original", original, copy.deepcopy(original.network()), store),
        TimedModel("compressed", model, copy.deepcopy(model.network()), store),
    ]
    work = latency(
        {BATCH: [runtime_named(REFERENCE).ready(side) for side in sides]},
        original.subject.split("validation").inputs,
        this_machine(),
        networks=[side.network for side in sides] if can_split() else (),
        effort=EFFORT if size == FULL else _HURRY,
        processes=PROCESSES if size == FULL else 2,
        apart=in_own_process if can_split() else in_this_process,
    )
    bar = result_of(work).bar(REFERENCE, "compressed", BATCH)
    return bar.milliseconds, bar.ratio


def _percent(number: Number) -> str:
    if number.value is None or number.low is None or number.high is None:
        return "not measured"
    return f"{number.value:.2%} ({number.low:.2%} to {number.high:.2%})"
