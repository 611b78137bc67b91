"""Which of the items that changed their predicted class are meant, and in which order they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import pandas as pd
from pydantic import Field

from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.measure.behavior.predictions import NO_CLASS

FlipKind = Literal["any", "right_to_wrong", "wrong_to_right", "wrong_to_wrong"]
FlipOrder = Literal["drop", "surest", "least_sure"]
FLIP_KINDS: tuple[FlipKind, ...] = get_args(FlipKind)
FLIP_ORDERS: tuple[FlipOrder, ...] = get_args(FlipOrder)


class Flips(Strict):
    """The items whose predicted class changed: all of them, or those of one kind, from or to one class.

    before, after: numbers of classes, -1 where a model gave no answer.
    """

    kind: FlipKind = "any"
    before: int | None = Field(default=None, ge=NO_CLASS)
    after: int | None = Field(default=None, ge=NO_CLASS)

    @property
    def is_all(self) -> bool:
        """Whether no flip is left out."""
        return self == Flips()

    def of(self, changed: pd.DataFrame) -> pd.DataFrame:
        """Those rows of `Comparison.changed_items`, in the order in which they stood."""
        wanted = pd.Series(True, index=changed.index)
        for column in ("before", "after"):
            number = getattr(self, column)
            if number is not None:
                wanted &= changed[column] == number
        if self.kind != "any":
            wanted &= changed["kind"] == self.kind
        return changed[wanted].reset_index(drop=True)


def flips_named(name: str) -> Flips:
    """What a word stands for: "flips" for all of them, or one kind; raises Refused for another word."""
    kind = next((kind for kind in FLIP_KINDS if name == _WORDS.get(kind, kind)), None)
    if kind is None:
        raise Refused(
            "There are no items called {name!r}; there are {known}: choose one of them.",
            name=name,
            known=", ".join(_WORDS.get(kind, kind) for kind in FLIP_KINDS),
        )
    return Flips(kind=kind)


def flips_ordered(changed: pd.DataFrame, order: FlipOrder) -> pd.DataFrame:
    """Rows of `Comparison.changed_items` by the drop of confidence, or by how sure the compressed model is.

    The drop is that of the class before, the biggest first; of equal ones the earlier item comes first, and
    what is unknown, for want of finite outputs, before all others.
    """
    column, ascending = _ORDERS[order]
    return changed.sort_values(
        [column, "item"], ascending=[ascending, True], na_position="first", ignore_index=True
    )


_WORDS: Mapping[FlipKind, str] = MappingProxyType({"any": "flips"})
_ORDERS: Mapping[FlipOrder, tuple[str, bool]] = MappingProxyType(
    {
        "drop": ("drop", False),
        "surest": ("confidence_after", False),
        "least_sure": ("confidence_after", True),
    }
)
