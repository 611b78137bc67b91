"""What must hold of a compressed model before it goes out: one gate, and the file of them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.texts import Phrase
from compress_core.measure.explain.attribution import attribution_methods
from compress_core.measure.explain.explanation import NOISE_STRENGTH
from compress_core.reviews.limit_range import amount, refuse_outside
from compress_core.reviews.measure import review_measures

MOST_GATES = 100
MOST_CHARACTERS = 2000


class Gate(Strict):
    """One measure with its limit: where more is better the least, where less is better the most it may be.

    required: whether the model may go out without it; an advisory gate is shown and decides nothing.
    reason: why the limit lies where it lies.
    """

    measure: str
    limit: float
    required: bool = True
    reason: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""

    @field_validator("measure")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in review_measures():
            raise Refused(
                "there is no measure {name!r}; there are {known}",
                name=name[:60],
                known=", ".join(review_measures()),
            )
        return name

    @field_validator("limit")
    @classmethod
    def _can_be_reached(cls, limit: float, about: ValidationInfo) -> float:
        measure = review_measures().get(about.data.get("measure", ""))
        if measure is not None:  # an unknown one is refused already
            refuse_outside(measure.name, measure.unit, measure.limits, limit)
        return limit + 0.0  # a zero has no sign: files that say the same have the same sha


class Conditions(Strict):
    """How measures are taken that can be taken in several ways; part of what is fixed beforehand."""

    attribution: Annotated[str, Field(description="The method whose maps are compared.")] = "saliency"
    attribution_items: Annotated[
        int, Field(ge=10, le=2000, description="Items drawn for maps, of all and of those that changed.")
    ] = 100
    noise: Annotated[
        float,
        Field(gt=0, le=1, description="Deviation of the noise on inputs, as a share of that of the inputs."),
    ] = NOISE_STRENGTH
    batch: Annotated[int, Field(ge=1, le=4096, description="Items at once where time is measured.")] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Draws the items and the noise.")] = 0

    @field_validator("attribution")
    @classmethod
    def _is_method(cls, name: str) -> str:
        if name not in attribution_methods():
            raise Refused(
                "there is no attribution method {name!r}; there are {known}",
                name=name[:60],
                known=", ".join(attribution_methods()),
            )
        return name


class Gates(Strict):
    """All gates of a review. Two files that say the same have the same sha; one without gates passes nothing.

    A measure stands twice only where one of the two is advisory.
    """

    title: Annotated[str, Field(max_length=200)] = ""
    gates: Annotated[tuple[Gate, ...], Field(max_length=MOST_GATES)] = ()
    conditions: Conditions = Conditions()

    @field_validator("gates")
    @classmethod
    def _stand_once(cls, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
        seen = [(gate.measure, gate.required) for gate in gates]
        twice = next((name for name, required in seen if seen.count((name, required)) > 1), None)
        if twice is not None:
            raise Refused("{measure} stands twice: keep one of the two", measure=twice)
        return gates

    @property
    def sha(self) -> str:
        """sha-256 of all it says, in hexadecimal; it tells whether a file was changed later."""
        said = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Everything, what was left out of the file with its usual value."""
        return self.model_dump(mode="json")

    def in_words(self, gate: Gate) -> Phrase:
        """What a gate asks for, in one line."""
        measure = review_measures()[gate.measure]
        shown = f"{100 * gate.limit:g}" if measure.unit == "share" else f"{gate.limit:,.10g}"
        limit = amount(shown, measure.unit)
        if measure.direction == "higher":
            return Phrase("{title} at least {limit}", title=Phrase(measure.title), limit=limit)
        return Phrase("{title} at most {limit}", title=Phrase(measure.title), limit=limit)
