"""What a knob says of itself beside its type and bounds, and the strict model that all knobs share."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

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


class Strict(BaseModel):
    """Frozen values; an unknown name, NaN or infinity is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
