"""What a technique asks for by name, and where it comes from.

A tensor of the weight's own follows from the weight; a statistic of the calibration items follows from
the network they run through: the base as it is, or, for a method that goes from layer to layer, the
base with all earlier layers compressed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.calibrate import fisher_diagonals, forward_order, inputs_of
from compress_core.network.channels import channels_read
from compress_core.network.layers import Layer, read_matrix, write_factors, write_matrix
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe import Step
from compress_core.statistics import Statistic, statistics
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight

CALIBRATION_ITEMS = 256
_OF_ITEMS = frozenset(
    {"items", "labels", "inputs", "compressed_inputs", "fisher_diagonal", "channel_activity"}
)
_OF_OTHER_STAGES = frozenset(
    {"activation_mean", "activation_zeros", "layer_inputs", "mean_before", "mean_after", "input_mean",
     "input_variance"}
)  # fmt: skip
_OF_WEIGHT = frozenset({"weight", "kernel", "mask"})
_OF_OTHERS = frozenset({"compressed_network", "compressed_inputs"})


@dataclass(frozen=True)
class Part:
    """One weight on its way through the stages; its key chains the keys of what it saw."""

    layer: Layer
    encoded: EncodedWeight
    key: str


@dataclass(frozen=True)
class Context:
    """Where a technique stands: the base whose layers it treats, and the layers before it as they are.

    factored: the layers that were factored, with the two parts they became.
    """

    base: Subject
    store: Store
    before: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))
    factored: Mapping[str, tuple[Part, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the base's layers as a forward pass calls them, which module order need not be."""
        base = self.base
        return self.store.get(
            f"order:{base.digest}",
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
        if not _depends(step.method.needs, _OF_OTHERS):
            return self
        order = self.in_order(parts)
        return replace(self, before={n: parts[n] for n in order[: order.index(name)]})

    def key_of(self, part: Part, step: Step) -> str:
        """The key of an answer; it chains what else the answer depends on: the items, the layers before."""
        needs = step.method.needs
        return digest(part.key, canonical_step(step), *self.seen_by(needs, part))

    def seen_by(self, needs: tuple[str, ...], part: Part) -> list[str]:
        """The keys of what is not the weight's own: the items, factored layers, those before this one."""
        if not _depends(needs, _OF_ITEMS):
            return []
        seen = [self.base.digest, self.base.split("calibration").digest]
        seen += [p.key for parts in self._factored_for(needs, part) for p in parts]
        return seen + ([p.key for p in self.before.values()] if _depends(needs, _OF_OTHERS) else [])

    def _factored_for(self, needs: tuple[str, ...], part: Part) -> list[tuple[Part, ...]]:
        """The factored layers that matter: those up to this one, or all where gradients come back."""
        if _depends(needs, frozenset({"fisher_diagonal"})):
            return list(self.factored.values())
        own = next((n for n, ps in self.factored.items() if part.layer in [p.layer for p in ps]), None)
        name = part.layer.name if own is None else own
        return [self.factored[n] for n in self.order[: self.order.index(name) + 1] if n in self.factored]

    def items(self) -> tuple[Tensor, Tensor | None]:
        """Calibration items [N, ...] and labels [N]; raises Refused where the model came without them."""
        split = self.base.split("calibration")
        labels = None if split.labels is None else split.labels[:CALIBRATION_ITEMS]
        return split.inputs[:CALIBRATION_ITEMS], labels

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

    def fisher_diagonal(self, part: Part) -> Tensor:
        """The squared gradient [out, in] of a part's weight; all parts are measured in one go."""
        parts = tuple(p.layer for ps in self.factored.values() for p in ps)
        layers = parts + tuple(layer for layer in self.base.layers if layer.name not in self.factored)
        key = digest("gradients", *self.seen_by(("fisher_diagonal",), part))
        found: Mapping[str, Tensor] = self.store.get(
            key,
            lambda: fisher_diagonals(self.network(), layers, *self.items()),
            lambda made: sum(t.nbytes for t in made.values()),
        )
        return found[part.layer.name]

    def channel_activity(self, part: Part) -> tuple[Tensor, Tensor]:
        """(mean |x| [in], share of zeros [in]) of every channel that a part reads; all layers in one pass."""
        read = self.store.get(
            digest("channels", *self.seen_by(("channel_activity",), part)),
            lambda: channels_read(
                self.network(), [layer.name for layer in self.base.layers], self.items()[0]
            ),
            lambda made: made.nbytes,
        )
        told = read.of(part.layer.name)
        return told.mean_absolute, told.zero_share


def canonical_step(step: Step) -> str:
    """The one text of a setting."""
    return json.dumps(step.as_json(), sort_keys=True)


def items_behind(subject: Subject, steps: Iterable[Step]) -> tuple[str, ...]:
    """The digest of the calibration items where one of these steps measures on them."""
    measured = _OF_ITEMS | _OF_OTHER_STAGES
    measures = any(_depends(step.method.needs, measured) for step in steps)
    return (subject.split("calibration").digest,) if measures and "calibration" in subject.splits else ()


def start(layer: Layer, context: Context) -> Part:
    """A layer as the base has it; raises Refused where its weights are broken."""
    base = context.base
    if layer.name in base.problems:
        raise Refused(
            "{layer} holds {count} weights that are NaN or infinite: "
            "repair the model or leave this layer out.",
            layer=layer.name,
            count=base.problems[layer.name],
        )
    key = digest(base.digest, layer.name)
    weight = context.store.get(key, lambda: read_matrix(base.network, layer))
    return Part(layer, EncodedWeight(weight), key)


def technique_result(step: Step, part: Part, context: Context) -> Any:
    """Call a technique with what it asks for by name."""
    method = step.method
    supplied = [supply(name, part, step, context) for name in method.needs]
    own = {k: v for k, v in step.knobs if k in method.own_knobs}
    return method.function(*supplied, **own)


def _kept(part: Part) -> Tensor:
    mask = part.encoded.mask
    return torch.ones(1, 1, dtype=torch.bool).expand_as(part.encoded.weight) if mask is None else mask.tensor


def _generator(part: Part, step: Step | None) -> torch.Generator:
    assert step is not None, "only a technique draws at random"
    return generator_for(getattr(step.knobs, "seed", 0), part.layer.name)


_GIVEN: Mapping[str, Callable[[Part, Step | None, Context], Any]] = {
    "weight": lambda part, _, __: part.encoded.weight,
    "kernel": lambda part, _, __: part.encoded.weight.view(part.layer.kernel_shape),
    "mask": lambda part, _, __: _kept(part),
    "groups": lambda part, _, __: part.layer.groups,
    "layer": lambda part, _, __: part.layer,
    "generator": lambda part, step, _: _generator(part, step),
    "network": lambda _, __, context: context.network(),
    "compressed_network": lambda _, __, context: context.compressed_network(),
    "items": lambda _, __, context: context.items()[0],
    "labels": lambda _, __, context: context.items()[1],
    "inputs": lambda part, _, context: inputs_of(context.network(), part.layer, context.items()[0]),
    "compressed_inputs": lambda part, _, context: inputs_of(
        context.compressed_network(), part.layer, context.items()[0]
    ),
    "fisher_diagonal": lambda part, _, context: context.fisher_diagonal(part),
    "channel_activity": lambda part, _, context: context.channel_activity(part),
}


def supply(name: str, part: Part, step: Step | None, context: Context) -> Any:
    """One argument of a technique or a statistic: given, or derived once and kept."""
    if name in _GIVEN:
        return _GIVEN[name](part, step, context)
    derived = statistics()[name]

    def derive_it() -> Any:
        return derived.function(*(supply(need, part, step, context) for need in derived.needs))

    return context.store.get(_statistic_key(derived, part, context), derive_it, _tensor_bytes)


def _statistic_key(derived: Statistic, part: Part, context: Context) -> str:
    """A statistic that looks at the weight follows from it, and one of the inputs does not."""
    seen = context.seen_by(derived.needs, part)
    if not seen:
        return digest(part.key, derived.name)
    own = part.key if _depends(derived.needs, _OF_WEIGHT) else part.layer.name
    return digest(own, derived.name, *seen)


def _depends(needs: Iterable[str], on: frozenset[str]) -> bool:
    """Whether one of these, or what it is derived from, is among some names."""
    derived = statistics()
    return any(need in on or (need in derived and _depends(derived[need].needs, on)) for need in needs)


def _tensor_bytes(value: object) -> int:
    fields = vars(value).values() if hasattr(value, "__dict__") else [value]
    return 1024 + sum(getattr(each, "nbytes", 0) for each in fields)


def derive(subject: Subject, layer: str, name: str, store: Store) -> Any:
    """A statistic of a layer of an original or a base, kept by content."""
    context = Context(subject, store)
    return supply(name, start(subject.layer(layer), context), None, context)


def generator_for(seed: int, name: str) -> torch.Generator:
    """A generator of its own for each seed and layer name."""
    mixed = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(mixed[:8], "big") >> 1)
