"""What estimates are worth: random recipes really run, beside four ways to know beforehand which is worse.

Each recipe moves knobs of random layers and groups to random degrees, within what the scan has measured.
Recipes are kept by their measured accuracy alone, as many from each ten points between 50 and 99 %, so that
the sample is spread whatever the estimates say. With a folder in SLIMSCOPE_STUDIES it goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.networks import FULL, Size
from benchmarks.study_store import kept_line, study_store
from compress_core.apply.arguments.gradients import loss_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.estimate import Estimator, Pair, estimator_of
from compress_core.decide.family import Family
from compress_core.decide.knob_positions import Position, recipe_at
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.search_space import FreePlace, places_of
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.evaluate import predict, predicted_once
from compress_core.measure.behavior.metric import numbers
from compress_core.network.layers.places import read_matrix
from compress_core.network.squared_gradients import fisher_diagonals
from compress_core.numerics.arrays import Floats

MODELS = ("lenet300", "lenet5", "resnet", "vit", "tabular")
LOW, HIGH, BINS, RECIPES, CALIBRATION = 0.5, 0.99, 5, 40, 16
MOST_TRIED, DRAWS = 500, 1000
FISHER_ITEMS, FEW = 200, 500
SEED = 1  # of the recipes; the rule by which places go together was chosen on those of 0
HEAD = (
    (
        "| sample | recipes | measured | N | estimate | KL, joined | KL sum | Fisher x error "
        "| squared weight error | median error, points | corrected | its median error "
        "| 500 items run | CPU s |"
    ),
    "| --- " * 14 + "|",
)
NOTE = "Rank correlations of Spearman with the measured change of accuracy; 95 % intervals over the recipes."


@dataclass
class Measured:
    """Recipes with what was measured of each: nats, points, accuracy, and the two errors of weights.

    few: points on the first 500 items alone.
    """

    positions: list[tuple[Position, ...]] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    few: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    fisher: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    @property
    def pairs(self) -> list[Pair]:
        return [Pair(*row) for row in zip(self.positions, self.kl, self.change, strict=True)]


def lines(size: Size) -> Iterator[str]:
    """A row for each sample; ratios of ranks with 95 % intervals of a bootstrap over the recipes."""
    yield from HEAD
    for name in MODELS if size is FULL else MODELS[-1:]:
        store = study_store()
        yield kept_line(store, ("estimates", name, SEED, size == FULL), partial(_sampled, name, size, store))
    yield ""
    yield NOTE


def _sampled(name: str, size: Size, store: Store) -> str:
    began = time.process_time()
    sensitivity = result_of(scan(Model.original(load_sample(name)), ScanPlan(), store))
    return _row(name, sensitivity, measured(name, sensitivity, size, store), time.process_time() - began)


def measured(name: str, sensitivity: Sensitivity, size: Size, store: Store) -> tuple[Measured, Measured]:
    """The sample of recipes, and some more that calibrate; both spread over the same accuracies."""
    wanted = RECIPES if size is FULL else BINS
    generator = np.random.default_rng(SEED)
    running = _Running(Model.original(load_sample(name)), sensitivity, store)
    judged, calibrating = Measured(), Measured()
    counts = np.zeros((2, BINS), dtype=int)
    rooms = (wanted // BINS, max(1, CALIBRATION // BINS) if size is FULL else 0)
    for _ in range(MOST_TRIED if size is FULL else 4 * BINS):
        if (counts >= np.array(rooms)[:, None]).all():
            break
        positions = random_recipe(running.places, generator)
        quick = running.on_few(positions)
        if quick is None or not LOW <= (accuracy := quick[0]) < HIGH:
            continue
        place = min(BINS - 1, int((accuracy - LOW) / (HIGH - LOW) * BINS))
        which = next((i for i in range(2) if counts[i, place] < rooms[i]), None)
        if which is not None and running.add(positions, quick[1], (judged, calibrating)[which]):
            counts[which, place] += 1
    return judged, calibrating


def random_recipe(places: Sequence[FreePlace], generator: np.random.Generator) -> tuple[Position, ...]:
    """Knobs of some places, harder ones in harder recipes; a layer is thinned or factored, not both."""
    hardness = generator.uniform(0.1, 1.0)
    found: list[Position] = []
    for place in places:
        ways = [family for family in (Family.PRUNE, Family.RANK) if family in place.knobs]
        chosen = [ways[generator.integers(len(ways))]] if ways and generator.random() < 0.6 else []
        chosen += [f for f in (Family.BITS,) if f in place.knobs and generator.random() < 0.6]
        chosen += [f for f in (Family.STRUCTURE,) if f in place.knobs and generator.random() < 0.4]
        for family in chosen:
            share = float(np.clip(hardness * generator.uniform(0.2, 1.2), 0, 1))
            reach = place.knobs[family]
            value = reach.mildest + share * (reach.hardest - reach.mildest)
            whole = family in {Family.RANK, Family.BITS}
            found.append(Position(place.name, family, round(value) if whole else round(value, 3)))
    return tuple(found)


class _Running:
    """A sample with everything that is measured once."""

    def __init__(self, parent: Model, sensitivity: Sensitivity, store: Store) -> None:
        self.parent, self.sensitivity, self.store = parent, sensitivity, store
        self.places = places_of(sensitivity, ())
        self.split = parent.subject.split("validation")
        self.before = predict(parent, self.split, store)
        items = parent.subject.split("calibration").first(FISHER_ITEMS)
        layers = parent.base.layers
        found = fisher_diagonals(
            parent.network(), layers, items.inputs, items.labels, loss_of(parent.subject.answers)
        )
        self.fisher: Mapping[str, torch.Tensor] = {name: each.mean for name, each in found.items()}

    def model(self, positions: Sequence[Position]) -> Model:
        return compress(self.parent.subject, recipe_at(positions, self.sensitivity).as_recipe(), self.store)

    def on_few(self, positions: Sequence[Position]) -> tuple[float, float] | None:
        """Accuracy and its change on the first 500 items, to choose quickly; None for what cannot be done."""
        few = self.split.first(FEW)
        try:
            found = numbers(
                predicted_once(self.model(positions), few, self.store), predict(self.parent, few, self.store)
            )
        except Refused:
            return None
        accuracy, change = found["accuracy"].value, found["accuracy_change"].value
        return None if accuracy is None or change is None else (accuracy, change)

    def add(self, positions: tuple[Position, ...], few: float, to: Measured) -> bool:
        """Measure on all items; False for what then lies outside the accuracies that are wanted."""
        model = self.model(positions)
        found = numbers(predicted_once(model, self.split, self.store), self.before)
        accuracy, kl, change = (found[name].value for name in ("accuracy", "kl", "accuracy_change"))
        if accuracy is None or kl is None or change is None or not LOW <= accuracy <= HIGH:
            return False
        for values, value in ((to.kl, kl), (to.change, change), (to.accuracy, accuracy)):
            values.append(value)
        to.positions.append(positions)
        to.few.append(few)
        fisher, squared = self._weight_errors(model)
        to.fisher.append(fisher)
        to.weights.append(squared)
        return True

    def _weight_errors(self, model: Model) -> tuple[float, float]:
        fisher = squared = 0.0
        for layer in self.parent.base.layers:
            lost = (model.values(layer.name) - read_matrix(self.parent.base.network, layer)).square()
            fisher += float((self.fisher[layer.name] * lost).sum())
            squared += float(lost.sum())
        return fisher, squared


def _row(name: str, sensitivity: Sensitivity, found: tuple[Measured, Measured], seconds: float) -> str:
    judged, calibrating = found
    if len(judged.kl) < 3:
        return f"| {name} | {len(judged.kl)} | too few in these accuracies |" + " |" * 11
    layers = load_sample(name).layers
    usual = estimator_of(sensitivity, {layer.name: layer.highest_rank for layer in layers})
    corrected = usual.corrected(calibrating.pairs)
    change = np.array(judged.change)
    sums = np.array([_summed(usual, at) for at in judged.positions])
    joined = np.array([usual.divergence(at) for at in judged.positions])
    others = (joined, sums, np.array(judged.fisher), np.array(judged.weights))
    ranks = [_rank(_changes(usual, judged), change), *(_rank(-values, change) for values in others)]
    cells = [
        name,
        str(len(change)),
        f"{min(judged.accuracy):.1%} to {max(judged.accuracy):.1%}",
        f"{sensitivity.n:,}",
        *ranks,
        _error(usual, judged),
        _rank(_changes(corrected, judged), change),
        f"{_error(corrected, judged)} ({len(calibrating.kl)} runs)",
        f"{np.median(np.abs(np.array(judged.few) - judged.change)):.2f}",
        f"{seconds:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _summed(estimator: Estimator, positions: Sequence[Position]) -> float:
    return sum(estimator.divergence([each]) for each in positions)


def _error(estimator: Estimator, judged: Measured) -> str:
    """The median distance of estimated and measured changes in points."""
    return f"{np.median(np.abs(_changes(estimator, judged) - judged.change)):.2f}"


def _changes(estimator: Estimator, judged: Measured) -> Floats:
    return np.array([estimator.change(at) or 0.0 for at in judged.positions])


def _rank(estimated: Floats, measured_: Floats) -> str:
    generator = np.random.default_rng(1)
    picks = generator.integers(len(measured_), size=(DRAWS, len(measured_)))
    drawn = [_spearman(estimated[p], measured_[p]) for p in picks]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{_spearman(estimated, measured_):.2f} ({low:.2f} to {high:.2f})"


def _spearman(one: Floats, other: Floats) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)
