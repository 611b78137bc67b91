"""A model: its parent, the operation that made it, and every weight it changed as it would be stored.

The later stages of a recipe work on the *base*: the subject itself or, where norms were folded and
channels cut, the smaller network that this left, as a subject of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.apply.lineage import Lineage, Operation, recipe_of
from compress_core.foundation.cached import cached_property
from compress_core.network.layers.factors import multiplied_out, write_factors
from compress_core.network.layers.kinds import Layer, WeightLocation
from compress_core.network.layers.places import attach_inputs, read_matrix, write_matrix, write_states
from compress_core.network.one_memory import MemoryView, views_in
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import ResolvedRecipe
from compress_core.subject.number_types import as_it_came
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import TYPE_BITS, TYPE_NAMES, Bits, EncodedWeight, stored_shape
from compress_core.techniques.contract.input_rules import InputRule, rule_as_json

Entries = dict[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class CompressedLayer:
    """A layer's new form: one coded weight, or one for each of the small layers where it was factored.

    key: chained from all that its values follow from.
    """

    layer: Layer
    encoded: tuple[EncodedWeight, ...]
    key: str
    small: tuple[Layer, ...] = ()

    @property
    def is_factored(self) -> bool:
        return bool(self.small)

    @property
    def parts(self) -> tuple[tuple[Layer, EncodedWeight], ...]:
        """The layers that ship with their weights: itself, or its small layers in order."""
        return tuple(zip(self.small or (self.layer,), self.encoded, strict=True))

    @property
    def rank(self) -> int | None:
        """Channels in each group at the narrowest place between two small layers; None if not factored."""
        return min((part.kernel_shape[1] for part in self.small[1:]), default=None)

    @property
    def kernels(self) -> tuple[Tensor, ...]:
        """The decoded kernels [out, in, *k] of the layers that ship, new tensors."""
        return tuple(encoded.values.view(part.kernel_shape) for part, encoded in self.parts)

    @property
    def values(self) -> Tensor:
        """The weight that the layer now applies [out, in * k]; small layers are multiplied out."""
        return multiplied_out(self.layer, self.kernels) if self.is_factored else self.encoded[0].values

    @property
    def bits(self) -> Bits:
        return sum((c.bits for c in self.encoded), Bits())

    @property
    def macs(self) -> int | None:
        counts = [part.macs for part, _ in self.parts]
        return None if any(c is None for c in counts) else sum(c for c in counts if c is not None)


@dataclass(frozen=True, eq=False)
class Model:
    """(parent, operation): frozen, named by both. The root has neither and is the subject as loaded.

    base: whose layers compressed, inputs and rest speak of. inputs: what happens to a layer's input, in
    order. rest: biases and statistics of norms that corrections replaced, by their name in the state.
    """

    subject: Subject
    parent: Model | None
    operation: Operation | None
    base: Subject
    compressed: Mapping[str, CompressedLayer]
    key: str
    inputs: Mapping[str, tuple[InputRule, ...]] = field(default_factory=lambda: MappingProxyType({}))
    rest: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def original(cls, subject: Subject) -> Model:
        """The model as loaded."""
        return cls(subject, None, None, subject, MappingProxyType({}), f"{subject.key}:original")

    @property
    def lineage(self) -> Lineage:
        """What was done to the model as loaded, the first operation first."""
        before = () if self.parent is None else self.parent.lineage
        return before if self.operation is None else (*before, self.operation)

    @property
    def recipe(self) -> ResolvedRecipe:
        """The recipe that made it of its parent; one that does nothing for the root."""
        return recipe_of(self.lineage)

    @property
    def is_changed(self) -> bool:
        """Whether anything was done to the model as loaded."""
        return self.operation is not None

    @cached_property
    def changed_parameters(self) -> tuple[str, ...] | None:
        """The parameters of the loaded network at whose first use its course may change.

        None: it may change anywhere, as where something without parameters was replaced.
        """
        before = () if self.parent is None else self.parent.changed_parameters
        if before is None:
            return None
        places = [p for name in {*self.compressed, *self.inputs} for p in self._loaded_places(name)]
        names = {".".join(filter(None, (place.module, place.parameter))) for place in places}
        touched = self.base.structure.touched | {name.rpartition(".")[0] for name in self.rest}
        for name in touched:
            own = parameters_under(self.subject.network, name)
            if not own:
                return None
            names.update(own)
        return tuple(sorted(names.union(before)))

    def _loaded_places(self, name: str) -> tuple[WeightLocation, ...]:
        return self.subject.by_name[name].places if name in self.subject.by_name else ()

    def network(self) -> nn.Module:
        """The network that is evaluated and shipped; the caller owns it, unedited tensors are shared."""
        skeleton = shared_copy(self.base.network)
        with torch.inference_mode(mode=False), torch.no_grad():
            write_states(skeleton, self.rest)
            for compressed in self.compressed.values():
                if compressed.is_factored:
                    write_factors(skeleton, compressed.layer, compressed.kernels)
                else:
                    write_matrix(skeleton, compressed.layer, compressed.encoded[0].values)
            for name, rules in self.inputs.items():
                attach_inputs(skeleton, self.base.by_name[name], rules)
        return skeleton

    def values(self, name: str) -> Tensor:
        """The weight that a layer applies [out, in * k], as large as loaded: zero where it was cut out."""
        loaded = self.subject.layer(name)
        if name not in self.base.by_name:
            return torch.zeros(stored_shape(loaded.kernel_shape))
        small = self.base.by_name[name]
        values = (
            self.compressed[name].values if name in self.compressed else read_matrix(self.base.network, small)
        )
        return self.base.structure.spread(self.subject.network, loaded, small, values)

    @cached_property
    def _encoded_in_file(self) -> tuple[tuple[str, EncodedWeight], ...]:
        """Every weight that is stored in coded form; projections packed in one tensor go together."""
        names = set(self.compressed)
        packed = {(p.module, p.parameter) for n in names for p in self.base.by_name[n].places if p.rows}
        found: list[tuple[str, EncodedWeight]] = []
        for layer in self.base.layers:
            if layer.name in names:
                found.extend((part.name, encoded) for part, encoded in self.compressed[layer.name].parts)
            elif any((p.module, p.parameter) in packed for p in layer.places):
                weight = read_matrix(self.base.network, layer)
                found.append(
                    (layer.name, EncodedWeight(weight, value_type=self.base.type_of_values(layer, weight)))
                )
        return tuple(found)

    @cached_property
    def _rest(self) -> dict[str, Tensor]:
        """State that no coded weight replaces; tied tensors once, under their first name."""
        network = self.base.network
        places = (place for name in self.compressed for place in self.base.by_name[name].places)
        covered = (getattr(network.get_submodule(p.module), p.parameter) for p in places)
        seen = {_memory_of(tensor) for tensor in covered}
        rest: dict[str, Tensor] = {}
        for name, tensor in network.state_dict().items():
            if tensor.numel() and _memory_of(tensor) in seen:
                continue
            seen.add(_memory_of(tensor))
            rest[name] = self.as_it_came(name, tensor)
        return rest | dict(self.rest)

    def as_it_came(self, name: str, tensor: Tensor) -> Tensor:
        """A tensor of the state, of any shape, in the 16 bits in which it came, if these hold it exactly."""
        return as_it_came(tensor, self.subject.came_as.get(name))

    @cached_property
    def _views(self) -> Mapping[str, MemoryView]:
        """What of the rest lies in the memory of another tensor of it in another form: stored once."""
        state = self.base.network.state_dict()
        return views_in({name: state[name] for name in self._rest if name not in self.rest})

    @property
    def _stored_rest(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self._rest.items() if name not in self._views}

    def entries(self) -> Entries:
        """Name -> (type, shape) of every tensor in the file."""
        entries: Entries = {n: (TYPE_NAMES[t.dtype], tuple(t.shape)) for n, t in self._stored_rest.items()}
        for name, encoded in self._encoded_in_file:
            entries |= {f"{name}:{part}": entry for part, entry in encoded.entries().items()}
        return entries

    def stored(self) -> dict[str, Tensor]:
        """Every tensor of the file."""
        tensors = {name: t.detach().contiguous().clone() for name, t in self._stored_rest.items()}
        for name, encoded in self._encoded_in_file:
            tensors |= {f"{name}:{part}": t.contiguous() for part, t in encoded.stored().items()}
        return tensors

    @cached_property
    def form(self) -> str:
        """What a reader must know beside the tensors, as JSON."""
        layers = {name: encoded.form() for name, encoded in self._encoded_in_file}
        for part in (part for compressed in self.compressed.values() for part in compressed.small):
            if len(part.kernel_shape) > 2:  # a matrix does not tell which axes belong to a part
                layers[part.name]["kernel"] = list(part.kernel_shape[2:])
        form: dict[str, Any] = {"version": 1, "model": self.subject.name, "digest": self.subject.digest}
        form["layers"] = layers
        if self.base.structure:
            form["structure"] = self.base.structure.as_json()
        if self._views:
            form["views"] = {name: [v.of, v.shape, v.stride, v.offset] for name, v in self._views.items()}
        if self.inputs:
            form["inputs"] = {n: [rule_as_json(r) for r in rules] for n, rules in self.inputs.items()}
        return json.dumps(form, separators=(",", ":"))

    @cached_property
    def bits(self) -> Bits:
        """Bits of all coded weights by item; what is stored as it was counts as values."""
        encoded = sum((c.bits for _, c in self._encoded_in_file), Bits())
        rest = sum(t.numel() * t.element_size() * 8 for t in self._stored_rest.values())
        return encoded + Bits(values=rest)

    @cached_property
    def file_bytes(self) -> int:
        """Bytes of the plain file as it would be written, header included."""
        entries = self.entries()
        payload = sum(math.prod(shape) * TYPE_BITS[kind] // 8 for kind, shape in entries.values())
        return payload + header_bytes(entries, with_checksum(self.form, "0" * 8))


def with_checksum(form: str, crc32: str) -> str:
    """The form with the checksum of the tensors; one entry, since safetensors keeps no order of several."""
    return f'{form[:-1]},"crc32":"{crc32}"}}'


def parameters_under(network: nn.Module, name: str) -> tuple[str, ...]:
    """The parameters of a module, or of the one that is nearest above a name that is no module."""
    named = dict(network.named_parameters(remove_duplicate=False))
    while name:
        own = tuple(other for other in named if other == name or other.startswith(f"{name}."))
        if own or name in dict(network.named_modules()):
            return own
        name = name.rpartition(".")[0]
    return tuple(named)


def _memory_of(tensor: Tensor) -> tuple[int, torch.Size, tuple[int, ...]]:
    """Where a tensor lies and in which form: what shares it is one tensor under several names."""
    return tensor.data_ptr(), tensor.shape, tensor.stride()


# safetensors writes the widest types first; only the digits of the offsets depend on it.
_FILE_ORDER = (
    "U64",
    "I64",
    "F64",
    "C64",
    "F32",
    "U32",
    "I32",
    "BF16",
    "F16",
    "U16",
    "I16",
    "I8",
    "U8",
    "BOOL",
)


def header_bytes(entries: Entries, form: str) -> int:
    """Bytes of a safetensors header: 8 for its length, then JSON padded to a multiple of 8."""
    header: dict[str, object] = {"__metadata__": {"slimscope": form}}
    offset = 0
    for name, (kind, shape) in sorted(
        entries.items(), key=lambda item: (_FILE_ORDER.index(item[1][0]), item[0])
    ):
        end = offset + math.prod(shape) * TYPE_BITS[kind] // 8
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8
