"""How the quantities of lessons are called and written: percent, points, KiB and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from compress_core.foundation.number import Number, fixed
from dashboard.learn.lesson import Quantity
from dashboard.text import _

KIBI = 1024


@dataclass(frozen=True)
class WrittenUnit:
    """How a visitor writes a quantity: its value times factor, with so many digits, and a unit.

    apart: the unit of a difference of two of them; percent are points apart.
    """

    factor: float
    digits: int
    symbol: str
    apart: str

    def written(self, number: Number) -> float:
        """The value as it is written; NaN where there is none."""
        return np.nan if number.value is None else number.value * self.factor

    def text(self, written: float) -> str:
        """A written value with its unit."""
        return f"{fixed(written, self.digits, ',')} {_(self.symbol)}".strip()

    def difference(self, written: float) -> str:
        """How far two written values are apart, with its unit."""
        return f"{fixed(abs(written), self.digits, ',')} {_(self.apart)}".strip()


_PERCENT, _POINTS = WrittenUnit(100, 2, "%", "points"), WrittenUnit(1, 2, "points", "points")
_KIB, _COUNT = WrittenUnit(1 / KIBI, 1, "KiB", "KiB"), WrittenUnit(1, 0, "", "")
_UNITS: Mapping[Quantity, WrittenUnit] = MappingProxyType(
    {
        "accuracy": _PERCENT,
        "accuracy_change": _POINTS,
        "worst_class_change": _POINTS,
        "changed_answers": _PERCENT,
        "right_to_wrong": _COUNT,
        "wrong_to_right": _COUNT,
        "file_bytes": _KIB,
        "dense_bytes": _KIB,
        "sparse_bytes": _KIB,
        "packed_bytes": _KIB,
        "parameters": _COUNT,
        "layer_weights": _COUNT,
        "layer_zeros": _COUNT,
        "multiplications": _COUNT,
        "accuracy_without_largest": _PERCENT,
        "answer_share": _PERCENT,
        "runner_up_share": _PERCENT,
    }
)


def unit_of_quantity(quantity: Quantity) -> WrittenUnit:
    """How a quantity is written."""
    return _UNITS[quantity]


def written_text(quantity: Quantity, number: Number) -> str:
    """A quantity's number as text; one that is not there says so."""
    unit = unit_of_quantity(quantity)
    return _("not measured") if number.value is None else unit.text(unit.written(number))


def quantity_label(quantity: Quantity) -> str:
    """What a quantity is called."""
    return {
        "accuracy": _("Accuracy"),
        "accuracy_change": _("Change of accuracy"),
        "worst_class_change": _("Change of the class that lost most"),
        "changed_answers": _("Answers that changed"),
        "right_to_wrong": _("Right before, wrong now"),
        "wrong_to_right": _("Wrong before, right now"),
        "file_bytes": _("File with mask and codes"),
        "dense_bytes": _("Dense checkpoint"),
        "sparse_bytes": _("Sparse file (CSR)"),
        "packed_bytes": _("Packed file"),
        "parameters": _("Numbers in the network"),
        "layer_weights": _("Weights of the layer"),
        "layer_zeros": _("Zeros in the layer"),
        "multiplications": _("Multiplications in a pass"),
        "accuracy_without_largest": _("Accuracy without the largest"),
        "answer_share": _("Share of the likeliest class"),
        "runner_up_share": _("Share of the next class"),
    }[quantity]


def distance_in_words(predicted: float, outcome: float, near: float, unit: WrittenUnit) -> str:
    """How far a prediction is from what came out, both as they are written."""
    said = {"predicted": unit.text(predicted), "outcome": unit.text(outcome)}
    apart = round(predicted - outcome, unit.digits)
    if apart == 0:
        return _("You said {predicted}, and it is {outcome}: exactly right.").format(**said)
    said["apart"] = unit.difference(apart)
    if abs(apart) <= near:
        return _("You said {predicted}, it is {outcome}: close, only {apart} away.").format(**said)
    if apart > 0:
        return _("You said {predicted}, it is {outcome}: {apart} lower than you thought.").format(**said)
    return _("You said {predicted}, it is {outcome}: {apart} higher than you thought.").format(**said)
