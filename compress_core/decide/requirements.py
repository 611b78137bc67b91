"""What must hold of the model that is wanted: declared once for page, shell and face."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from compress_core.decide.options import Resource
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict, Unit


class Aim(StrEnum):
    """What is made as small as possible: the divergence of the answers, or one of the costs."""

    KL = "kl"
    PACKED_BYTES = "packed_bytes"
    PARAMETERS = "parameters"
    MACS = "macs"

    @property
    def resource(self) -> Resource | None:
        """The cost that it stands for; None for the divergence."""
        return None if self is Aim.KL else Resource(self.value)


class Requirements(Strict):
    """What must hold; what is left out need not. Bytes, weights and MACs are kept exactly.

    Drops are of all validation items. One of the costs is optimized within a drop, the divergence within
    one of the costs.
    """

    optimize: Annotated[
        Aim,
        Field(
            description="What is made as small as possible: kl (how far the answers move), packed_bytes, "
            "parameters or macs; a size needs a largest drop."
        ),
    ] = Aim.KL

    packed_bytes: Annotated[
        int | None, Field(ge=1, description="The packed file has at most so many bytes."), Unit("byte")
    ] = None
    bits_per_weight: Annotated[
        float | None,
        Field(gt=0, le=64, description="The packed file has at most so many bits for each weight as loaded."),
        Unit("bit"),
    ] = None
    parameters: Annotated[int | None, Field(ge=1, description="At most so many weights are not zero.")] = None
    macs: Annotated[
        int | None, Field(ge=1, description="At most so many multiply-accumulates for one item.")
    ] = None
    milliseconds: Annotated[
        float | None,
        Field(
            gt=0,
            description="One item takes at most so long in torch here: estimated on its multiplications, "
            "which a lower rank and fewer channels save, and measured in the end.",
        ),
        Unit("ms"),
    ] = None
    largest_drop: Annotated[
        float | None, Field(ge=0, le=100, description="Accuracy falls by at most so much."), Unit("points")
    ] = None
    worst_class: Annotated[
        float | None,
        Field(ge=0, le=100, description="The accuracy of no class falls by more than this."),
        Unit("points"),
    ] = None

    @model_validator(mode="after")
    def _says_enough(self) -> Requirements:
        if self.optimize is Aim.KL and not self.has_limit and self.has_drop:
            raise Refused(
                "nothing is limited but a drop, so it is open what shall become small: set optimize to "
                "packed_bytes, parameters or macs, or limit one of them"
            )
        if self.optimize is Aim.KL and not self.has_limit:
            raise Refused("nothing is limited: set packed_bytes or another limit")
        if self.optimize is not Aim.KL and not self.has_drop:
            raise Refused(
                "optimize {aim} needs to know what may be lost: set largest_drop or worst_class",
                aim=self.optimize.value,
            )
        return self

    @property
    def has_drop(self) -> bool:
        """Whether answers are limited, which only an evaluation can tell."""
        return self.largest_drop is not None or self.worst_class is not None

    @property
    def has_limit(self) -> bool:
        """Whether a cost is limited."""
        costs = (self.packed_bytes, self.bits_per_weight, self.parameters, self.macs, self.milliseconds)
        return any(limit is not None for limit in costs)

    def limits(self, weights: int) -> Mapping[Resource, float]:
        """What is limited, in the resources that options are counted in; the tighter of two counts.

        weights: of the network as loaded. How many multiplications the milliseconds allow is measured apart.
        """
        said = [
            (Resource.BYTES, self.packed_bytes),
            (Resource.BYTES, None if self.bits_per_weight is None else self.bits_per_weight * weights / 8),
            (Resource.PARAMETERS, self.parameters),
            (Resource.MACS, self.macs),
        ]
        found: dict[Resource, float] = {}
        for resource, limit in said:
            if limit is not None:
                found[resource] = min(limit, found.get(resource, limit))
        return found
