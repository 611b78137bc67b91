"""The cards of the sample models: what each is, where it came from, how good it was. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from compress_core.foundation.errors import Refused


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class CardInput(_Frozen):
    """The input section of a card."""

    kind: Literal["image", "table"]
    shape: tuple[int, ...]
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    features: tuple[str, ...] = ()


class CardShare(_Frozen):
    """An accuracy as it was measured when the card was written."""

    value: float
    low: float
    high: float
    n: int


class CardTraining(_Frozen):
    """Where the items lie that the weights were learned from: a file beside the card, and which part of it.

    sha256: of the file; count: of the items.
    """

    data: str
    split: Literal["training", "calibration"]
    sha256: str
    count: int


class Card(_Frozen):
    """What a sample model says of itself."""

    name: str
    title: str
    summary: str
    factory: str
    arguments: dict[str, Any] = {}
    task: Literal["classification"]
    classes: tuple[str, ...]
    input: CardInput
    data: str
    training: CardTraining
    data_origin: str
    license: str
    trained_with: str
    seed: int
    weights: str
    sha256: str
    parameters: int
    accuracy: dict[str, CardShare]


@lru_cache(maxsize=1)
def cards() -> Mapping[str, Card]:
    """The cards of all sample models by name; torch is not needed to read them."""
    found = {path.parent.name: path for path in sample_folder().glob("*/card.json")}
    return {name: Card.model_validate_json(found[name].read_bytes()) for name in sorted(found)}


def sample_folder() -> Path:
    """Where the sample models lie."""
    return Path(str(resources.files("sample_models")))


def card_of(name: str) -> Card:
    """The card of a sample model; raises Refused with the names there are."""
    if name not in cards():
        raise Refused(
            "There is no sample model {name!r}; there are {known}: choose one of them, "
            "or load your own by its code: package.module:factory.",
            name=name,
            known=", ".join(cards()),
        )
    return cards()[name]
