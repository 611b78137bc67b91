"""How often intervals of 95 % hold the truth: items of real models drawn anew, thousands of times.

What six thousand validation items say of a compressed model is taken for the truth. From them N items are
drawn with repetition, as own items would come, and the numbers of the pages are computed on those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import FULL, Size
from compress_core.apply.run import compress
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.compare import MARGIN_POINTS, Comparison, items_to_decide, no_loss
from compress_core.measure.behavior.evaluate import compare
from compress_core.measure.behavior.metrics.accuracy_change import accuracy_change
from compress_core.measure.behavior.metrics.mcnemar import mcnemar
from compress_core.measure.behavior.predictions import Predictions
from compress_core.recipe.reading import read_recipe

MODELS = ("lenet300", "lenet5", "resnet", "vit")
STEPS = (
    "{technique: uniform, bits: 8}",
    "{technique: uniform, bits: 4}",
    "{technique: uniform, bits: 3}",
    "{technique: kmeans, bits: 5}",
    "{technique: magnitude, sparsity: 0.5}",
    "{technique: magnitude, sparsity: 0.8}",
    "{technique: wanda, sparsity: 0.7}",
    "{technique: low_rank, choose: energy, energy: 0.8}",
)
ITEMS = (50, 114, 200, 500, 1000, 2000)
DRAWS = 400
NUMBERS = (
    "accuracy",
    "accuracy_change",
    "right_to_wrong",
    "wrong_to_right",
    "churn",
    "kl",
    "confidence_drift",
    "ece",
)


@dataclass
class Count:
    """Of how many draws there was an interval, and how many of those held the truth."""

    held: int = 0
    shown: int = 0
    drawn: int = 0

    def add(self, *, held: bool, shown: bool = True) -> None:
        """One more draw."""
        self.drawn, self.shown, self.held = self.drawn + 1, self.shown + shown, self.held + (shown and held)


def lines(size: Size) -> Iterator[str]:
    """For each number and N: mean and lowest coverage over the models, how often there is an interval."""
    models, draws = (MODELS, DRAWS) if size == FULL else (MODELS[:1], 3)
    steps, items = (STEPS, ITEMS) if size == FULL else (STEPS[1:2], ITEMS[:1])
    truths = {f"{model} {step}": _compared(model, step) for model in models for step in steps}
    yield "| number | N | covers, mean of models | lowest | of | has an interval |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for n in items:
        counted = {name: _counted(truth, n, draws) for name, truth in truths.items()}
        for number in next(iter(counted.values())):
            yield _line(number, n, {name: found[number] for name, found in counted.items()})
    yield ""
    yield from _decisions(2000 if size == FULL else 20)


def _compared(model: str, step: str) -> Comparison:
    subject = load_sample(model)
    recipe = read_recipe("layers:\n  - {match: '*', steps: [" + step + "]}")
    return compare(compress(subject, recipe, Store()), subject.split("validation"), Store())


def _counted(truth: Comparison, n: int, draws: int) -> Mapping[str, Count]:
    """Every interval on that many draws of n items; the classes are one family."""
    generator = np.random.default_rng(n)
    true, classes = truth.numbers, truth.per_class().set_index("class")["change"]
    found = {
        name: Count() for name in (*NUMBERS, "classes, all together", "McNemar p < 0.05 without a change")
    }
    for _ in range(draws):
        drawn = _taken(truth, generator.integers(0, truth.before.n, n))
        for name in NUMBERS:
            number = drawn.numbers[name]
            found[name].add(held=_holds(number, _on(true[name], n)), shown=number.low is not None)
        rows = drawn.per_class().set_index("class")
        change = classes.reindex(rows.index)
        all_hold = (rows["low"] <= change + 1e-9) & (change <= rows["high"] + 1e-9)
        found["classes, all together"].add(held=bool(all_hold.all()))
        unchanged = _taken(truth, generator.integers(0, truth.before.n, n), generator.random(n) < 0.5)
        p = mcnemar(unchanged.before, unchanged.after).value
        found["McNemar p < 0.05 without a change"].add(held=p is not None and p >= 0.05)
    return found


def _on(true: Number, n: int) -> float:
    """The true value; a count of items as that of n items."""
    assert true.value is not None, "the truth is measured"
    assert true.n is not None, "on a number of items"
    return true.value * n / true.n if true.unit == "item" else true.value


def _holds(number: Number, true: float) -> bool:
    return (
        number.low is not None and number.high is not None and number.low - 1e-9 <= true <= number.high + 1e-9
    )


def _taken(
    truth: Comparison, chosen: NDArray[np.int64], swapped: NDArray[np.bool_] | None = None
) -> Comparison:
    """The comparison on these items; where swapped, before and after change places: no true change."""
    before, after = truth.before.logits[chosen], truth.after.logits[chosen]
    if swapped is not None:
        before, after = np.where(swapped[:, None], after, before), np.where(swapped[:, None], before, after)
    labels = None if truth.before.labels is None else truth.before.labels[chosen]
    return Comparison(*(Predictions(logits, labels, "drawn", "drawn", "drawn") for logits in (before, after)))


def _line(number: str, n: int, counted: Mapping[str, Count]) -> str:
    shown = sum(count.shown for count in counted.values()) / sum(count.drawn for count in counted.values())
    covers = {name: count.held / count.shown for name, count in counted.items() if count.shown}
    if not covers:
        return f"| {number} | {n:,} | | | | never |"
    lowest = min(covers, key=lambda name: covers[name])
    mean = sum(covers.values()) / len(covers)
    return f"| {number} | {n:,} | {mean:.1%} | {covers[lowest]:.1%} | {lowest} | {shown:.0%} |"


def _decisions(draws: int) -> Iterator[str]:
    """Whether as many items as are named decide: reviews drawn with the shares that were seen."""
    yield f"| won, lost of N seen | items named | reviews that decide ({MARGIN_POINTS} points) |"
    yield "| --- | --- | --- |"
    for won, lost, n in (
        (0, 0, 200),
        (0, 1, 1000),
        (1, 1, 300),
        (0, 2, 500),
        (2, 0, 100),
        (1, 4, 500),
        (10, 14, 2000),
    ):
        needed = items_to_decide(_change(won, lost, n), MARGIN_POINTS)
        assert needed is not None, "these cases are undecided"
        shares = [won / n, lost / n, 1 - (won + lost) / n]
        drawn = np.random.default_rng(0).multinomial(needed, shares, size=draws)
        outcomes = [no_loss(_change(int(w), int(x), needed)).outcome for w, x, _ in drawn]
        decided = 1 - outcomes.count("undecided") / draws
        yield f"| {won}, {lost} of {n:,} | {needed:,} | {decided:.1%} |"


def _change(won: int, lost: int, n: int) -> Number:
    """The change of accuracy between two made-up models."""
    labels = np.zeros(n, dtype=np.int64)
    right, wrong = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    before, after = np.tile(right, (n, 1)), np.tile(right, (n, 1))
    before[:won], after[won : won + lost] = wrong, wrong
    return accuracy_change(*(Predictions(x, labels, "drawn", "drawn", "drawn") for x in (before, after)))
