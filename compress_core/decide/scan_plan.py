"""What a scan of sensitivities measures, as frozen data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from compress_core.decide.family import Family
from compress_core.foundation.knobs import Strict, Unit


class ScanPlan(Strict):
    """Which families at how many points, with which techniques; seconds, shard and first change no number."""

    families: Annotated[
        tuple[Family, ...],
        Field(min_length=1, description="What is tried on each layer or group of coupled channels."),
    ] = tuple(Family)
    points: Annotated[
        int, Field(ge=1, le=32, description="How many degrees of each family are tried on each place.")
    ] = 5
    sample: Annotated[
        int,
        Field(
            ge=2, description="On how many items, the first of the split, each point is measured at first."
        ),
        Unit("items"),
    ] = 500
    seconds: Annotated[
        float | None,
        Field(gt=0, description="After how long the scan stops and gives what it has; left out, never."),
        Unit("s"),
    ] = None
    shard: Annotated[
        str,
        Field(
            pattern=r"^[1-9]\d{0,5}/[1-9]\d{0,5}$",
            description="Which part of the points is measured here: 1/2 is the first of two parts.",
        ),
    ] = "1/1"
    first: Annotated[
        Family | None,
        Field(
            description="The family whose points are measured before all others; where several processes "
            "measure, each begins with it."
        ),
    ] = None
    locked: Annotated[
        tuple[str, ...], Field(description="Layers and groups that stay as they are and are not tried.")
    ] = ()
    prune: Annotated[str, Field(description="The technique that takes weights away.")] = "magnitude"
    structure: Annotated[str, Field(description="The criterion by which channels go.")] = "magnitude"
    rank: Annotated[str, Field(description="The factorization that lowers the rank.")] = "low_rank"
    bits: Annotated[str, Field(description="The quantizer.")] = "uniform"

    def technique_of(self, family: Family) -> str:
        """The name of the technique by which a family is tried."""
        named: str = getattr(self, family.value)
        return named
