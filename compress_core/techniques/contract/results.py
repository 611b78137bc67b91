"""What a technique may answer: small plans that the engine carries out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from compress_core.levels.any_levels import Levels


@dataclass(frozen=True)
class Pruned:
    """Which weights stay, mask [out, in] bool, and new values [out, in] where the method updates them."""

    mask: Tensor
    values: Tensor | None = None


@dataclass(frozen=True)
class Quantized:
    """Levels, and a code for each weight [out, in] where it is not simply the nearest level."""

    levels: Levels
    codes: Tensor | None = None


@dataclass(frozen=True)
class Factored:
    """Smaller layers in the place of one, the first of them first, each in as many groups as the layer.

    kernels, each [out, in / groups, *k]; an axis of the layer's kernel belongs to one of them, and the
    others have size 1 along it.
    """

    kernels: tuple[Tensor, ...]

    @property
    def rank(self) -> int:
        """Channels in each group at the narrowest place between two of them."""
        return min(int(kernel.shape[1]) for kernel in self.kernels[1:])

    @property
    def nbytes(self) -> int:
        return sum(kernel.nbytes for kernel in self.kernels)


@dataclass(frozen=True)
class Parts:
    """How many layers a factorizer leaves; stands in its signature: Annotated[Factored, Parts(2)]."""

    count: int


@dataclass(frozen=True)
class ChannelScores:
    """How much each unit of a coupled group matters, [units]; higher stays longer. The engine selects."""

    values: Tensor


@dataclass(frozen=True)
class KeptUnits:
    """Which units of a coupled group stay, mask [units] bool: what goes was heard by nobody."""

    mask: Tensor


@dataclass(frozen=True)
class Dropped:
    """A whole block goes: what comes in goes out."""


@dataclass(frozen=True)
class Folded:
    """What a norm does to the layer before it: row i becomes scale[i] * row i, the bias gets shift[i].

    scale, shift [out]; the bias is scaled first.
    """

    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Rescaled:
    """Channel i leaves the first layer divided by factors[i] and enters the next one multiplied by it.

    factors [channels], positive.
    """

    factors: Tensor


@dataclass(frozen=True)
class Shifted:
    """What is added to a layer's bias, [out]."""

    bias: Tensor


@dataclass(frozen=True)
class Restated:
    """New running statistics of a norm, mean and variance [channels]."""

    mean: Tensor
    variance: Tensor
