"""Where a technique stands: the base whose layers it treats, and the layers around its own as they are.

What a result depends on is what its arguments declare: the keys here are chained from that, and a context
that is limited to it holds nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Tensor, nn

from compress_core.apply.argument import DependsOn, depends_on
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.calibrate import forward_order
from compress_core.network.layers.factors import write_factors
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix, write_matrix
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.technique import Stage

T = TypeVar("T")

EXAMPLES = 8
STATISTICS = "statistics"  # under this word the store counts what was computed and what was found
_WORTH_A_FILE_SECONDS = 0.1
_NEAR_THE_END = 1e36  # of what float32 holds: a range or a step over smaller weights cannot overflow


@dataclass(frozen=True)
class Part:
    """One weight on its way through the stages; its key chains the keys of what it saw."""

    layer: Layer
    encoded: EncodedWeight
    key: str


Companions = Callable[[str], Iterable[Part]]


@dataclass(frozen=True)
class Context:
    """Where a technique stands: the base whose layers it treats, and the layers before it as they are.

    factored: the layers that were factored, with the two parts they became. companions: by the name of a
    statistic, the weights of which it will be asked as well, so that they may be measured in one pass; no
    answer depends on them.
    """

    base: Subject
    store: Store
    before: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))
    factored: Mapping[str, tuple[Part, ...]] = field(default_factory=lambda: MappingProxyType({}))
    companions: Companions = field(default=lambda _statistic: ())

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the base's layers as a forward pass calls them, which module order need not be."""
        base = self.base
        return self.store.get(
            f"order:{base.key}",
            lambda: forward_order(shared_copy(base.network), base.layers, base.input.baseline),
        )

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Names of layers, and of the parts of factored ones, in the order of a forward pass."""
        place = {
            part: (index, inner)
            for index, name in enumerate(self.order)
            for inner, part in enumerate([p.layer.name for p in self.factored.get(name, ())] or [name])
        }
        return sorted(names, key=place.__getitem__)

    def behind(self, parts: Mapping[str, Part], name: str, step: Step) -> Context:
        """The same place for a layer that stands behind these parts: those before it, if its step asks."""
        if DependsOn.EARLIER_LAYERS not in depends_on(step.method):
            return self
        order = self.in_order(parts)
        return replace(self, before={n: parts[n] for n in order[: order.index(name)]})

    def limited(self, depends: DependsOn, part: Part) -> Context:
        """The same place without the layers around this part on which nothing depends."""
        if not (self.before or self.factored):
            return self
        before = self.before if DependsOn.EARLIER_LAYERS in depends else {}
        return replace(self, before=before, factored=self._factored_for(depends, part))

    def _factored_for(self, depends: DependsOn, part: Part) -> Mapping[str, tuple[Part, ...]]:
        """The factored layers that matter: those up to this one, or all where gradients come back."""
        if DependsOn.LATER_LAYERS in depends:
            return self.factored
        if DependsOn.FACTORED_LAYERS not in depends:
            return {}
        own = next((n for n, ps in self.factored.items() if part.layer in [p.layer for p in ps]), None)
        name = part.layer.name if own is None else own
        upto = self.order[: self.order.index(name) + 1]
        return {n: self.factored[n] for n in upto if n in self.factored}

    def key_of(self, part: Part, step: Step) -> str:
        """The key of an answer; it chains what else the answer depends on: the items, the layers around."""
        return digest(part.key, canonical_step(step), *self.seen_by(step, part))

    def seen_by(self, step: Step, part: Part) -> list[str]:
        """The keys of what a step's arguments depend on beside the weight itself."""
        return self.seen(depends_on(step.method), part)

    def seen(self, depends: DependsOn, part: Part) -> list[str]:
        """The keys of the base, of calibration items and of the layers around, as far as they matter."""
        around = self.limited(depends, part)
        factored = [p.key for parts in around.factored.values() for p in parts]
        before = [p.key for p in around.before.values()]
        return [self.base.key, *calibration_key(self.base, depends), *factored, *before]

    def derived(self, key: str, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """A statistic of that key, in memory and, where it took its time, in the workspace."""
        return self.store.get(
            key,
            lambda: self.store.lasting(STATISTICS, key, make, least_seconds=_WORTH_A_FILE_SECONDS),
            size,
        )

    def derived_together(
        self,
        keys: Collection[str],
        make: Callable[[Collection[str]], Mapping[str, T]],
        size: Callable[[T], int],
    ) -> None:
        """The same for several at once, as far as nobody has made or is making them."""
        self.store.make_together(STATISTICS, keys, make, size, least_seconds=_WORTH_A_FILE_SECONDS)

    def is_known(self, key: str) -> bool:
        """Whether a statistic is in memory or in the workspace, or somebody is at it."""
        return not self.store.is_nobodys(key) or self.store.lasts(key)

    def items(self) -> tuple[Tensor, Tensor | None]:
        """Calibration items [N, ...] and labels [N]; raises Refused where the model came without them."""
        split = self.base.split("calibration")
        return split.inputs, split.labels

    def network(self) -> nn.Module:
        """The base with the layers that were factored, nothing else done; the caller owns it."""
        return self._with({})

    def compressed_network(self) -> nn.Module:
        """The base with all layers before this one as they are now; the caller owns it."""
        return self._with(self.before)

    def _with(self, done: Mapping[str, Part]) -> nn.Module:
        skeleton = shared_copy(self.base.network)
        with torch.inference_mode(mode=False), torch.no_grad():
            for name, parts in self.factored.items():
                now = [done.get(p.layer.name, p) for p in parts]
                kernels = [p.encoded.values.view(p.layer.kernel_shape) for p in now]
                write_factors(skeleton, self.base.layer(name), kernels)
            for name, part in done.items():
                if name in self.base.by_name:
                    write_matrix(skeleton, part.layer, part.encoded.values)
        return skeleton

    def layers(self) -> tuple[Layer, ...]:
        """All layers of the network, the factors of factored ones first."""
        factors = tuple(p.layer for parts in self.factored.values() for p in parts)
        return factors + tuple(layer for layer in self.base.layers if layer.name not in self.factored)


def canonical_step(step: Step) -> str:
    """The one text of a setting."""
    return json.dumps(step.as_json(), sort_keys=True)


def calibration_key(subject: Subject, depends: DependsOn) -> tuple[str, ...]:
    """The digest of the calibration items and labels where something depends on them; raises Refused."""
    measured = DependsOn.ITEMS in depends or DependsOn.LABELS in depends
    return (subject.split("calibration").digest,) if measured else ()


def items_behind(subject: Subject, steps: Iterable[Step]) -> tuple[str, ...]:
    """The digests of the items on which these steps measure, or on which their rewrites are tried."""
    depends, tried = DependsOn.NOTHING, False
    for step in {(step.technique, type(step.knobs)): step for step in steps}.values():
        depends |= depends_on(step.method)
        tried = tried or step.stage in {Stage.PREPARE, Stage.GROUPS}
    measured = calibration_key(subject, depends) if "calibration" in subject.splits else ()
    return (*measured, *(examples_key(subject) if tried else ()))


def examples_of(subject: Subject) -> Tensor:
    """A few items [N, ...] on which it is tried what may be folded or cut: real ones if there are."""
    split = _examples_split(subject)
    return subject.input.baseline if split is None else split.inputs[:EXAMPLES]


def examples_key(subject: Subject) -> tuple[str, ...]:
    """The digest of the items of which these are."""
    split = _examples_split(subject)
    return () if split is None else (split.digest,)


def examples_name(subject: Subject) -> str:
    """The name of the split of which these are; empty where there are no items."""
    split = _examples_split(subject)
    return "" if split is None else next(name for name, of in subject.splits.items() if of is split)


def _examples_split(subject: Subject) -> Split | None:
    found = (subject.splits.get(name) for name in ("calibration", "validation", "test"))
    return next((split for split in found if split is not None), None)


def start(layer: Layer, context: Context) -> Part:
    """A layer as the base has it; raises Refused where its weights are broken."""
    base = context.base
    refuse_broken(layer, base)
    key = digest(base.key, layer.name)
    weight = context.store.get(key, lambda: read_matrix(base.network, layer))
    return Part(layer, EncodedWeight(weight, value_type=base.type_of_values(layer, weight)), key)


def refuse_broken(layer: Layer, base: Subject) -> None:
    """Raises Refused where the base has NaN or infinite weights in a layer."""
    if layer.name in base.problems:
        raise Refused(
            "{layer} holds {count} weights that are NaN or infinite: "
            "repair the model or leave this layer out.",
            layer=layer.name,
            count=base.problems[layer.name],
        )


def refuse_unordered(scores: Tensor, name: str, step: Step) -> None:
    """Raises Refused where scores of any shape hold NaN: as many as were asked for could not be found."""
    count = int(scores.isnan().count_nonzero())
    if count:
        raise Refused(
            "{technique} gives {name} {count} scores that are NaN, which have no order: use another "
            "criterion or leave it out.",
            technique=step.technique,
            name=name,
            count=count,
        )


def generator_for(seed: int, name: str) -> torch.Generator:
    """A generator of its own for each seed and layer name."""
    mixed = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(mixed[:8], "big") >> 1)


def refuse_overflow(encoded: EncodedWeight, name: str, step: Step) -> None:
    """Raises Refused where finite weights become infinite: only those near the largest number can."""
    if not encoded.weight.numel():
        return
    low, high = encoded.weight.aminmax()
    largest = max(float(high), -float(low))
    if largest > _NEAR_THE_END and not encoded.values.isfinite().all():
        raise Refused(
            "{technique} would make weights of {layer} infinite: the largest, {largest}, is near the end of "
            "what 32 bits hold. Repair the model, or leave this layer out.",
            technique=step.technique,
            layer=name,
            largest=f"{largest:.3g}",
        )
