"""What a technique asks for by name, and where it comes from.

A tensor of the weight's own follows from the weight; a statistic of the calibration items follows from
the network they run through: the base as it is, or, for a method that goes from layer to layer, the
base with all earlier layers compressed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.coded import Coded
from compress_core.errors import Refused
from compress_core.recipe import Setting
from compress_core.statistics import Statistic, statistics
from compress_core.store import Store, digest
from compress_core.subject.layers import Layer, read_matrix, write_matrix
from compress_core.subject.skeleton import skeleton_of
from compress_core.subject.subject import Subject

CALIBRATION_ITEMS = 256
_OF_ITEMS = frozenset({"network", "items", "labels", "compressed_network"})


@dataclass(frozen=True)
class Part:
    """One weight on its way through the stages; its key chains the keys of what it saw."""

    layer: Layer
    coded: Coded
    key: str


@dataclass(frozen=True)
class Standing:
    """Where a technique stands: the base whose layers it treats, and the layers before it as they are."""

    base: Subject
    store: Store
    before: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))

    def behind(self, parts: Mapping[str, Part], name: str) -> Standing:
        """The same place for a layer that stands behind these parts: those before it."""
        order = list(parts)
        return replace(self, before={n: parts[n] for n in order[: order.index(name)]})

    def key_of(self, part: Part, setting: Setting) -> str:
        """The key of an answer; it chains the layers before it where the answer depends on them."""
        seen = [p.key for p in self.before.values()] if _sees_others(setting.method.needs) else []
        return digest(part.key, canonical(setting), *seen)

    def items(self) -> tuple[Tensor, Tensor | None]:
        """Calibration items, and their labels; raises Refused where the model came without them."""
        split = self.base.split("calibration")
        labels = None if split.labels is None else split.labels[:CALIBRATION_ITEMS]
        return split.inputs[:CALIBRATION_ITEMS], labels

    def compressed_network(self) -> nn.Module:
        """The base with all layers before this one as they are now; the caller owns it."""
        skeleton = skeleton_of(self.base.network)
        for name, part in self.before.items():
            if name in self.base.by_name:
                write_matrix(skeleton, part.layer, part.coded.values)
        return skeleton


def canonical(setting: Setting) -> str:
    """The one text of a setting."""
    return json.dumps(setting.as_json(), sort_keys=True)


def start(layer: Layer, standing: Standing) -> Part:
    """A layer as the base has it; raises Refused where its weights are broken."""
    base = standing.base
    if layer.name in base.problems:
        raise Refused(
            "{layer} holds {count} weights that are NaN or infinite: "
            "repair the model or leave this layer out.",
            layer=layer.name,
            count=base.problems[layer.name],
        )
    key = digest(base.digest, layer.name)
    weight = standing.store.get(key, lambda: read_matrix(base.network, layer))
    return Part(layer, Coded(weight), key)


def answer_of(setting: Setting, part: Part, standing: Standing) -> Any:
    """Call a technique with what it asks for by name."""
    method = setting.method
    supplied = [supply(name, part, setting, standing) for name in method.needs]
    own = {k: v for k, v in setting.knobs if k in method.own_knobs}
    return method.function(*supplied, **own)


def _kept(part: Part) -> Tensor:
    kept = part.coded.kept
    return torch.ones(1, 1, dtype=torch.bool).expand_as(part.coded.weight) if kept is None else kept.mask


def _generator(part: Part, setting: Setting | None) -> torch.Generator:
    assert setting is not None, "only a technique draws at random"
    return generator_for(getattr(setting.knobs, "seed", 0), part.layer.name)


_GIVEN: Mapping[str, Callable[[Part, Setting | None, Standing], Any]] = {
    "weight": lambda part, _, __: part.coded.weight,
    "kernel": lambda part, _, __: part.coded.weight.view(part.layer.kernel_shape),
    "kept": lambda part, _, __: _kept(part),
    "groups": lambda part, _, __: part.layer.groups,
    "layer": lambda part, _, __: part.layer,
    "generator": lambda part, setting, _: _generator(part, setting),
    "network": lambda _, __, standing: skeleton_of(standing.base.network),
    "compressed_network": lambda _, __, standing: standing.compressed_network(),
    "items": lambda _, __, standing: standing.items()[0],
    "labels": lambda _, __, standing: standing.items()[1],
}


def supply(name: str, part: Part, setting: Setting | None, standing: Standing) -> Any:
    """One argument of a technique or a statistic: given, or derived once and kept."""
    if name in _GIVEN:
        return _GIVEN[name](part, setting, standing)
    derived = statistics()[name]

    def derive_it() -> Any:
        return derived.function(*(supply(need, part, setting, standing) for need in derived.needs))

    return standing.store.get(_statistic_key(derived, part, standing), derive_it, _tensor_bytes)


def _statistic_key(derived: Statistic, part: Part, standing: Standing) -> str:
    if not _OF_ITEMS.intersection(derived.needs):
        return digest(part.key, derived.name)
    seen = [p.key for p in standing.before.values()] if _sees_others((derived.name,)) else []
    items = standing.base.split("calibration").digest
    return digest(standing.base.digest, items, part.layer.name, derived.name, *seen)


def _sees_others(needs: tuple[str, ...]) -> bool:
    """Whether one of these, or what it is derived from, runs items through compressed layers."""
    if "compressed_network" in needs:
        return True
    derived = (statistics()[need].needs for need in needs if need in statistics())
    return any(_sees_others(inner) for inner in derived)


def _tensor_bytes(value: object) -> int:
    fields = vars(value).values() if hasattr(value, "__dict__") else [value]
    return 1024 + sum(getattr(each, "nbytes", 0) for each in fields)


def derive(subject: Subject, layer: str, name: str, store: Store) -> Any:
    """A statistic of a layer of an original or a base, kept by content."""
    standing = Standing(subject, store)
    return supply(name, start(subject.layer(layer), standing), None, standing)


def generator_for(seed: int, name: str) -> torch.Generator:
    """A generator of its own for each seed and layer name."""
    mixed = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(mixed[:8], "big") >> 1)
