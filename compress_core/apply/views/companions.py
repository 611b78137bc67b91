"""Weights of which the same statistic is asked: what they read adds up in one pass of the items.

A pass is shared only by those who read the same in it as alone. What cannot be measured so is left out: asked
for by itself, it says why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor

from compress_core.apply.argument import DependsOn
from compress_core.apply.context import Context, Part
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import memory_budget
from compress_core.foundation.store import digest
from compress_core.network.calibrate import LayerReads
from compress_core.network.layers.kinds import Layer
from compress_core.network.shared_pass import SharedPass
from compress_core.statistics import RunningSum, Statistic


def statistic_key(derived: Statistic, depends: DependsOn, part: Part, context: Context) -> str:
    """A statistic that looks at the weight follows from it, and one of the inputs does not."""
    own = part.key if DependsOn.WEIGHT in depends else part.layer.name
    return digest(own, derived.name, *context.seen(depends, part))


def tensor_bytes(value: object) -> int:
    """Of a tensor, or of all that stand in the fields of a value."""
    fields = [value] if isinstance(value, Tensor) else vars(value).values()
    return 1024 + sum(getattr(each, "nbytes", 0) for each in fields)


def measure_together(
    derived: Statistic, depends: DependsOn, part: Part, context: Context, reads: Callable[[], LayerReads]
) -> None:
    """Have what adds up over a weight's inputs measured in one pass with that of companions that fit into it.

    reads: what its layer reads. Nothing is done where the statistic is known or being made, or where the
    weight would be alone.
    """
    asked = _Asked(derived, depends, context)
    with suppress(Refused):  # whoever asks for one of them alone is told it
        if context.store.is_nobodys(asked.key(part)):
            companions = asked.companions(part)
            if companions and not context.is_known(asked.key(part)):
                asked.measure(part, companions, reads())


@dataclass(frozen=True)
class _Asked:
    """A statistic that adds up, asked for where a context stands."""

    derived: Statistic
    depends: DependsOn
    context: Context

    @property
    def running_sum(self) -> type[RunningSum]:
        assert self.derived.running_sum is not None, f"{self.derived.name} does not add up"
        return self.derived.running_sum

    def key(self, part: Part) -> str:
        return statistic_key(self.derived, self.depends, part, self.context)

    def _size(self, part: Part) -> int:
        return self.running_sum.nbytes(part.layer.groups, part.layer.columns)

    def companions(self, part: Part) -> dict[str, Layer]:
        """The layers that read in the same network, by the key of their statistic, where that is nobody's.

        As far as the sums of all that are asked for until then, in whichever pass, have room in memory and in
        the store: what is measured ahead would else be gone when it is asked for.
        """
        context, around = self.context, self.context.seen(self.depends, part)
        room = min(memory_budget(), context.store.max_bytes) // 2 - self._size(part)
        found: dict[str, Layer] = {}
        for other in _behind(part, context.companions(self.derived.name)):
            key = self.key(other)
            if context.store.is_nobodys(key):
                room -= self._size(other)
                if room < 0:
                    break
                if context.seen(self.depends, other) == around:
                    found[key] = other.layer
        return found

    def measure(self, part: Part, companions: Mapping[str, Layer], reads: LayerReads) -> None:
        """Run the items once for a weight and for as many of these as read the same batches."""
        shared = SharedPass.of(reads, companions.values())
        inside = {key: each for key, each in companions.items() if each.name in shared.readers}
        unknown = {key: each for key, each in inside.items() if not self.context.is_known(key)}
        layers = {self.key(part): part.layer, **unknown}

        def heard(keys: Collection[str]) -> Mapping[str, Tensor]:
            sums = {layers[key].name: self.running_sum() for key in keys}
            measured = shared.hear(sums)
            return {key: sums[layers[key].name].told() for key in keys if layers[key].name in measured}

        if unknown:
            self.context.derived_together(layers, heard, tensor_bytes)


def _behind(part: Part, asked: Iterable[Part]) -> Sequence[Part]:
    """The others of whom the same is asked, without those that come before a weight: they had their turn."""
    others = list(asked)
    names = [other.layer.name for other in others]
    return others[names.index(part.layer.name) + 1 :] if part.layer.name in names else others
