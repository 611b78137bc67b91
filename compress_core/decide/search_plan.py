"""What a search wants and how much it may try, as frozen data."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.texts import N_, Phrase

if TYPE_CHECKING:
    from compress_core.subject.subject import Subject


class Objective(StrEnum):
    """What is made better: accuracy up, everything else down."""

    ACCURACY = "accuracy"
    KL = "kl"
    PACKED_BYTES = "packed_bytes"
    MACS = "macs"

    @property
    def label(self) -> Phrase:
        """What it is called on a page, which can be translated."""
        return Phrase(_LABELS[self])

    @property
    def unit(self) -> str:
        return _UNITS[self]

    @property
    def is_quality(self) -> bool:
        """Whether it speaks of answers, not of size."""
        return self in {Objective.ACCURACY, Objective.KL}

    def as_cost(self, value: float) -> float:
        """A number of which less is better."""
        return -value if self is Objective.ACCURACY else value


_LABELS = {
    Objective.ACCURACY: N_("Accuracy change"),
    Objective.KL: N_("Mean KL divergence"),
    Objective.PACKED_BYTES: N_("Packed file"),
    Objective.MACS: N_("MACs for one item"),
}
_UNITS = {
    Objective.ACCURACY: "points",
    Objective.KL: "nat",
    Objective.PACKED_BYTES: "byte",
    Objective.MACS: "MAC",
}
NO_LABELS = N_("Without labels there is no accuracy: search with the objective kl instead.")
NO_CLASSES = N_(
    "Accuracy is about classes, and the model answers with real numbers or vectors: search with the "
    "objective kl instead."
)
Sampler = Literal["nsga2", "tpe"]
MOST_OBJECTIVES = 3


def no_accuracy(subject: Subject, split: str) -> str | None:
    """Why there is no accuracy to search for on these items; None where there is one."""
    if not subject.answers.has_classes:
        return NO_CLASSES
    return NO_LABELS if subject.split(split).labels is None else None


def suited(objectives: Iterable[Objective], subject: Subject, split: str) -> tuple[Objective, ...]:
    """The same objectives, the divergence in the place of an accuracy that there is not; a size beside it."""
    if no_accuracy(subject, split) is None:
        return tuple(objectives)
    given = tuple(objectives)
    found = dict.fromkeys(Objective.KL if one is Objective.ACCURACY else one for one in given)
    if len(found) < len(given):  # two became one
        found[Objective.PACKED_BYTES] = None
    return tuple(found)


class SearchPlan(Strict):
    """How many recipes are looked at, how many of these are really run, and what is wanted of them."""

    trials: Annotated[
        int, Field(ge=1, le=20_000, description="How many recipes are looked at; most are only estimated.")
    ] = 200
    evaluations: Annotated[
        int, Field(ge=1, le=2000, description="How many of them, the most promising, are really evaluated.")
    ] = 24
    objectives: Annotated[
        tuple[Objective, ...],
        Field(
            min_length=1,
            max_length=MOST_OBJECTIVES,
            description="What is made better at once: accuracy, kl, packed_bytes, macs.",
        ),
    ] = (Objective.ACCURACY, Objective.PACKED_BYTES)
    sampler: Annotated[
        Sampler,
        Field(description="Who proposes recipes: nsga2 crosses good ones, tpe models where good ones lie."),
    ] = "nsga2"
    locked: Annotated[tuple[str, ...], Field(description="Layers and groups that stay as they are.")] = ()

    @field_validator("objectives")
    @classmethod
    def _each_once(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        if len(set(objectives)) < len(objectives):
            raise Refused("Each objective is named once, but got {got}.", got=", ".join(objectives))
        return objectives
