"""What a knob says of itself beside its type and bounds, and the strict model that all knobs share."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

# Real values of a recipe are rounded to this: it takes out 0.1 + 0.2, and no share that anybody means.
FINEST = 1e-6


@dataclass(frozen=True)
class Unit:
    """The unit in which a knob is shown."""

    symbol: str


@dataclass(frozen=True)
class SliderStep:
    """The distance between two places of a real knob on a page; a recipe may be finer."""

    size: float


@dataclass(frozen=True)
class Magnitudes:
    """The places of a real knob on a page that goes over powers of ten: 1, 2 and 5 times each of them.

    Zero is one of them where the knob may be zero; a plan may have any value between.
    """

    least: float
    most: float

    @property
    def places(self) -> tuple[float, ...]:
        """From the least to the most."""
        powers = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        every = (float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5))
        return tuple(place for place in every if self.least <= place <= self.most)


class Strict(BaseModel):
    """Frozen values; an unknown name, NaN or infinity is refused, and so is a text or true for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: object, about: ValidationInfo) -> object:
        """Otherwise true would be taken for 1.0, and '0.5' for a number."""
        wanted = _kind_of(cls.model_fields[about.field_name or ""].annotation)
        if wanted is bool and not (isinstance(value, bool) or value is None):
            raise PydanticKnownError("bool_type")
        if wanted in {int, float} and isinstance(value, bool | str | bytes):
            raise PydanticKnownError("int_type" if wanted is int else "float_type")
        return value


def _kind_of(annotation: Any) -> Any:
    """int, float or bool, also where None is allowed beside it; anything else as it is."""
    kinds = [kind for kind in get_args(annotation) if kind is not types.NoneType]
    return kinds[0] if isinstance(annotation, types.UnionType) and len(kinds) == 1 else annotation
