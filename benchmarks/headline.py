"""How small two classic networks become, with their error: trained, chosen on validation, told once on test.

`python -m benchmarks.headline [lenet300 lenet5] [--data FILE.npz] [--out DIR] [--seeds 3] [--kept]`; what was
trained stays in DIR and is not trained again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from benchmarks.distorted_copies import with_distorted_copies
from benchmarks.headline_curve import CurvePoint, curve_svg
from benchmarks.headline_trials import NETWORKS, HeadlineNetwork, Trial
from benchmarks.networks import FULL, Size
from benchmarks.published_ratios import PUBLISHED
from compress_core.apply.model import Model
from compress_core.apply.run import compress, key_of
from compress_core.apply.trained import kept_weights
from compress_core.deliver.packed_size import packed_size
from compress_core.deliver.trained_folder import (
    WEIGHTS,
    read_history,
    trained_in,
    write_history,
    write_value,
)
from compress_core.face.load_model import load
from compress_core.face.train_compressed import train
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import compare
from compress_core.measure.behavior.metrics.accuracy import accuracy
from compress_core.measure.behavior.metrics.accuracy_change import accuracy_change
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TRAINING, TrainingItems

NO_LOSS = 0.3  # points that may be lost at most, as the upper bound of the paired interval
_BYTES_OF_FLOAT = 4
_FEW = 64
_SECONDS = "seconds"
_DIGITS = 9  # 114 wrong of 6,000 are 1.9 %, and not a last bit more


@dataclass(frozen=True, eq=False)
class Tried:
    """A trained network: its packed bytes, how many times smaller than in fp32, and what training took."""

    trial: Trial
    seed: int
    model: Model
    file_bytes: int
    ratio: float
    seconds: float


@dataclass(frozen=True)
class Figures:
    """Error on a split and the paired loss, both in points, with their intervals."""

    error: tuple[float, float, float]
    loss: tuple[float, float, float]
    n: int


@dataclass(frozen=True)
class Goal:
    """A row of the table: what must hold on validation for a trial to be chosen."""

    name: str
    most_error: float | None

    def beyond(self, figures: Figures) -> float:
        """By how many points these figures miss it; 0 or less where they reach it."""
        if self.most_error is None:
            return figures.loss[2] - NO_LOSS
        return figures.error[0] - self.most_error

    def chosen(self, curve: Sequence[tuple[Tried, Figures]]) -> tuple[Trial, str]:
        """The smallest that reaches it, else the one that misses it least, and what the row is called."""
        reached = [tried for tried, figures in curve if self.beyond(figures) <= 0]
        if reached:
            return max(reached, key=lambda tried: tried.ratio).trial, self.name
        nearest, _ = min(curve, key=lambda pair: self.beyond(pair[1]))
        return nearest.trial, f"{self.name}: not reached on validation, the nearest"


@dataclass(frozen=True)
class Study:
    """Where trained networks are kept, of how many seeds, on which training items, and of what size.

    only_kept: nothing is trained, and what is not in the folder is left out.
    """

    folder: Path
    seeds: int = 3
    training: Path | None = None
    size: Size = FULL
    only_kept: bool = False

    def place_of(self, name: str, trial: Trial, seed: int) -> Path:
        """The folder of one trained network."""
        return self.folder / f"{name} {trial.name} seed {seed}"

    def seeds_of(self, name: str, trial: Trial) -> tuple[int, ...]:
        """Of which seeds there are, or will be, trained networks."""
        every = range(self.seeds)
        if not self.only_kept:
            return tuple(every)
        return tuple(s for s in every if (self.place_of(name, trial, s) / WEIGHTS).exists())


def lines(size: Size) -> Iterator[str]:
    """The study with its own folder, as `python -m benchmarks headline` runs it."""
    with TemporaryDirectory() as folder:
        yield from of_networks(tuple(NETWORKS), Study(Path(folder), 3 if size == FULL else 1, None, size))


def of_networks(names: Sequence[str], study: Study) -> Iterator[str]:
    """The curve of each network on validation, then, for what was chosen there, all seeds on test."""
    for name in names:
        network, store = NETWORKS[name], Store()
        subject = _subject(name, study)
        yield _row(
            f"{name}, seed 0, on validation", "bytes", "ratio", "error, %", "loss, points", "CPU seconds"
        )
        yield _rule(6)
        curve: list[tuple[Tried, Figures]] = []
        for trial in network.trials if study.size == FULL else network.trials[:1]:
            if 0 not in study.seeds_of(name, trial):
                continue
            tried = _tried(subject, trial, 0, study, store)
            curve.append((tried, _figures(tried.model, _items(subject, "validation", study), store)))
            yield _line_of_curve(*curve[-1])
        for each in PUBLISHED[name]:
            yield _row(f"{each.method} ({each.source})", "", f"{each.ratio:g}", f"{each.error:g}", "", "")
        if curve:
            _draw(name, curve, study.folder)
            yield from _chosen(network, curve, subject, study, store)
        yield ""


def _draw(name: str, curve: Sequence[tuple[Tried, Figures]], folder: Path) -> None:
    points = [CurvePoint(tried.ratio, *figures.error) for tried, figures in curve]
    folder.mkdir(parents=True, exist_ok=True)
    drawn = curve_svg(f"{name}: error against ratio", points, PUBLISHED[name])
    (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")


def _chosen(
    network: HeadlineNetwork,
    curve: Sequence[tuple[Tried, Figures]],
    subject: Subject,
    study: Study,
    store: Store,
) -> Iterator[str]:
    """For each goal the smallest that reaches it on validation, all seeds of it, on test."""
    yield ""
    head = f"{network.name}, chosen on validation"
    yield _row(head, "trial", "seed", "bytes", "ratio", "validation error, %", "test error, %",
               "test loss, points", "CPU seconds")  # fmt: skip
    yield _rule(9)
    for goal in (Goal(f"error at most {network.most_error:g} %", network.most_error), Goal("no loss", None)):
        trial, name = goal.chosen(curve)
        for seed in study.seeds_of(network.name, trial):
            tried = _tried(subject, trial, seed, study, store)
            validation, test = (
                _figures(tried.model, _items(subject, split, study), store)
                for split in ("validation", "test")
            )
            yield _row(name, trial.name, str(seed), f"{tried.file_bytes:,}", f"{tried.ratio:.0f}",
                       _spread(validation.error), _spread(test.error), _spread(test.loss),
                       f"{tried.seconds:.0f}")  # fmt: skip


def _subject(name: str, study: Study) -> Subject:
    if study.training is not None:
        return load(name, training=study.training)
    subject = load(name)
    if study.size == FULL:
        return subject
    few = subject.split(TRAINING).first(_FEW)
    return replace(subject, training=TrainingItems.of(few))


def _tried(subject: Subject, trial: Trial, seed: int, study: Study, store: Store) -> Tried:
    """A trial's network from its folder, trained before where it is not there."""
    folder = study.place_of(subject.name, trial, seed)
    if not (folder / WEIGHTS).exists():
        _train(subject, trial, seed, study, folder)
    model = trained_in(folder, subject, store)
    size = packed_size(model, store).value
    assert size is not None, "it was packed"
    dense = sum(parameter.numel() for parameter in subject.network.parameters()) * _BYTES_OF_FLOAT
    return Tried(trial, seed, model, int(size), dense / size, float(read_history(folder)[_SECONDS]))


def _train(subject: Subject, trial: Trial, seed: int, study: Study, folder: Path) -> None:
    began, store = process_time(), Store()
    plan = dict(trial.plan) if study.size == FULL else {**trial.plan, "epochs": 1}
    shown = with_distorted_copies(subject, trial.copies)
    compressed = compress(shown, parse_recipe(trial.recipe), store)
    model = train(compressed, trial.methods, store=store, seed=seed, **plan).model
    folder.mkdir(parents=True, exist_ok=True)
    write_history(folder, model.lineage, {_SECONDS: round(process_time() - began, 1)})
    write_value(folder, WEIGHTS, kept_weights(key_of(subject, model.lineage), store))


def _items(subject: Subject, split: str, study: Study) -> Split:
    found = subject.split(split)
    return found if study.size == FULL else found.first(_FEW)


def _figures(model: Model, split: Split, store: Store) -> Figures:
    compared = compare(model, split, store)
    right, change = accuracy(compared.after), accuracy_change(compared.before, compared.after)
    return Figures(_turned(right, 100.0, 100), _turned(change, 0.0, 1), compared.after.n)


def _turned(number: Number, whole: float, times: float) -> tuple[float, float, float]:
    """whole - times x number with its interval, whose ends change places."""
    assert number.value is not None
    assert number.low is not None
    assert number.high is not None
    bounds = (number.value, number.high, number.low)
    value, low, high = (round(whole - times * bound, _DIGITS) for bound in bounds)
    return value, low, high


def _line_of_curve(tried: Tried, figures: Figures) -> str:
    return _row(tried.trial.name, f"{tried.file_bytes:,}", f"{tried.ratio:.0f}", _spread(figures.error),
                _spread(figures.loss), f"{tried.seconds:.0f}")  # fmt: skip


def _spread(values: tuple[float, float, float]) -> str:
    value, low, high = (round(each, 2) + 0.0 for each in values)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return _row(*("---" for _ in range(columns)))


def asked(words: Sequence[str]) -> tuple[tuple[str, ...], Study]:
    """The networks and the study that the words of a command line ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.headline", description=__doc__)
    parser.add_argument("networks", nargs="*", choices=[*NETWORKS, []], default=[])
    parser.add_argument("--data", type=Path, help="training items, .npz; those of the samples without it")
    parser.add_argument("--out", type=Path, default=Path("headline"), help="where trained networks are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kept", action="store_true", help="train nothing; tell of what DIR holds")
    said = parser.parse_args(list(words))
    study = Study(said.out, said.seeds, said.data, only_kept=said.kept)
    return tuple(said.networks or NETWORKS), study


if __name__ == "__main__":
    for line in of_networks(*asked(sys.argv[1:])):
        print(line, flush=True)
