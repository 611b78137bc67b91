"""The packed container: as small as the weights allow, decoded on any machine to the evaluated values.

| bytes | what |
|---|---|
| 4 + 1 | "SLIM", version |
| 1 + n | name of the model that it was made of |
| 32 | sha-256 of that model's network: the architecture by id |
| 1 + n | the architecture itself, deflated: deliver/python_source.py's Python; empty where the id is enough |
| 1 + n | what tensors do not say: folded norms, cuts, rules for inputs; deflated JSON, mostly empty |
| 1 + n | directory, deflated: name, kind, shape and length of every tensor |
| n | the tensors' contents in that order |
| 4 | CRC-32 of all before it, the lowest byte first |

Numbers take seven bits a byte. It is read back before it is called written.
"""

from __future__ import annotations

import itertools
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Damaged
from compress_core.deliver.packing.entries import (
    Piece,
    WeightBlock,
    encoded,
    holds,
    plain,
    read_pieces,
    twin_of,
    write_pieces,
)
from compress_core.deliver.python_source import Source
from compress_core.deliver.same_bits import same_bits, same_state
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused, shortened
from compress_core.network.layers.factors import axes_of, shapes_in_file, write_factors
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.places import attach_inputs, read_bias, read_matrix, with_bias, write_bias
from compress_core.network.shared_copy import shared_copy
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import rule_as_json, rule_from_json

MAGIC, VERSION = b"SLIM", 1
MOST_VALUES = 2**28  # of a file whose model is not at hand: 1 GiB of float32
_LONGEST = 2**24  # bytes of what is deflated, once it is not
_DIGEST_BYTES, _CHECK_BYTES = 32, 4
_ROOM = 4  # times the values of the loaded model: two factors of a high rank hold more than their layer
_DEFLATE = -15  # without the header of zlib


@dataclass(frozen=True)
class Architecture:
    """Python that makes the network, as text that nobody runs here.

    names: which tensor of the state each of its tensors is.
    """

    code: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class PackedFile:
    """What a packed file holds: the model it was made of, and the state of the compressed network.

    architecture is None where the network did not go along.
    """

    model: str
    digest: str
    architecture: Architecture | None
    structure: Mapping[str, Any]
    state: Mapping[str, Tensor]


def pack_bytes(model: Model, source: Source | None = None) -> bytes:
    """The file's content; the same model gives the same bytes.

    source: the network as Python, to go along so that the file needs no model; raises Refused where that
    holds other tensors than the network.
    """
    directory, contents = write_pieces(_pieces(model))
    writer = Writer()
    writer.raw(MAGIC + bytes([VERSION]))
    writer.run(model.subject.name.encode())
    writer.raw(bytes.fromhex(model.subject.digest))
    writer.run(b"" if source is None else _deflated(_architecture(model, source)))
    writer.run(_deflated(_structure(model)))
    writer.run(_deflated(directory))
    writer.raw(contents)
    body = writer.content()
    return body + zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")


def _architecture(model: Model, source: Source) -> bytes:
    """The text that makes the network, and which tensor of the state each of its tensors is."""
    state = model.network().state_dict()
    names = {name: _name_in(state, name, tensor) for name, tensor in source.tensors.items()}
    strangers = [name for name, found in names.items() if found is None]
    if strangers:
        raise Refused(
            "The source of {model} holds {name}, which is no tensor of the network, so it cannot go along: "
            "pack without it, or export the source beside the file.",
            model=model.subject.title,
            name=strangers[0],
        )
    return json.dumps({"code": source.code, "names": names}, separators=(",", ":")).encode()


def _name_in(state: Mapping[str, Tensor], name: str, tensor: Tensor) -> str | None:
    """Where the state holds these values; of equal tensors any will do."""
    if name in state and same_bits(state[name], tensor):
        return name
    return next((other for other, values in state.items() if same_bits(values, tensor)), None)


def _structure(model: Model) -> bytes:
    """JSON of what the tensors do not say: folded norms, cuts, rules for inputs."""
    said: dict[str, Any] = {}
    if model.base.structure:
        said["structure"] = model.base.structure.as_json()
    if model.inputs:
        said["inputs"] = {n: [rule_as_json(rule) for rule in rules] for n, rules in model.inputs.items()}
    return json.dumps(said, separators=(",", ":")).encode() if said else b""


def _pieces(model: Model) -> dict[str, Piece]:
    """Every tensor of the shipped network's state; one that lies under several names is stored once."""
    state = model.network().state_dict()
    blocks = dict(_blocks(model, state))
    pieces: dict[str, Piece] = {}
    places: dict[tuple[object, ...], int] = {}
    for index, (name, tensor) in enumerate(state.items()):
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        first = places.setdefault(place, index) if tensor.numel() else index
        pieces[name] = _piece(tensor, blocks.get(name, ())) if first == index else twin_of(first)
    return pieces


def _piece(tensor: Tensor, blocks: Sequence[WeightBlock]) -> Piece:
    """Coded where the blocks are the tensor; a transposed convolution keeps its weight in another order."""
    if blocks:
        for groups in (0, blocks[0].groups):
            lying = [replace(block, groups=groups) for block in blocks]
            if holds(tensor, lying):
                return encoded(tensor, lying)
    return plain(tensor)


def _blocks(model: Model, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Sequence[WeightBlock]]]:
    """The coded weights by the name in the state of the tensor that they make up, in its order."""
    found: defaultdict[str, list[WeightBlock]] = defaultdict(list)
    for layer in model.base.layers:
        compressed = model.compressed.get(layer.name)
        as_it_was = ((layer, EncodedWeight(read_matrix(model.base.network, layer))),)
        parts = as_it_was if compressed is None else compressed.parts
        for part, weight in parts:
            place = part.places[0]
            name = f"{place.module}.{place.parameter}".removeprefix(".")
            own = f"{part.name}.weight"  # of a projection whose neighbor was factored
            found[name if name in state else own].append(WeightBlock(weight, part.rows, layer.groups))
    return iter(found.items())


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, _DEFLATE)
    return packer.compress(content) + packer.flush() if content else b""


def _inflated(content: bytes) -> bytes:
    if not content:
        return b""
    unpacker = zlib.decompressobj(_DEFLATE)
    inflated = unpacker.decompress(content, _LONGEST)
    if not unpacker.eof or unpacker.unused_data:
        raise Damaged
    return inflated


def write_packed(model: Model, path: Path, source: Source | None = None) -> int:
    """Write the file, read it back, compare every bit; returns its bytes.

    Raises Refused where the file on the disk does not hold the evaluated values.
    """
    content = pack_bytes(model, source)
    write_whole(path, content)
    if not same_state(model.network().state_dict(), read_packed(path, model.subject).state_dict()):
        raise Refused(
            "{path} does not hold the evaluated values: free some space and write it again.", path=path
        )
    return len(content)


def read_packed(path: Path, subject: Subject) -> nn.Module:
    """The compressed network from its file and the model it was made of; raises Refused."""
    packed = read_packed_state(
        path, most_values=_ROOM * sum(t.numel() for t in subject.network.state_dict().values())
    )
    if packed.digest != subject.digest:
        raise Refused(
            "{path} was made of another model ({model}): load that model first.",
            path=path,
            model=shortened(packed.model),
        )
    try:
        return _rebuilt(subject, packed)
    except Refused:
        raise
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RuntimeError):
        raise _damaged(path) from None


def read_packed_state(path: Path, most_values: int = MOST_VALUES) -> PackedFile:
    """What a packed file holds, without the model that it was made of.

    Raises Refused where the file is damaged, or holds more values than may be made.
    """
    if not path.is_file():
        raise Refused("{path} is not there: name a file that slimscope pack wrote.", path=path)
    try:
        return _read(path.read_bytes(), most_values)
    except (
        OSError,
        zlib.error,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ):
        raise _damaged(path) from None


def _read(content: bytes, most_values: int) -> PackedFile:
    body, check = content[:-_CHECK_BYTES], content[-_CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") != check:
        raise Damaged
    reader = Reader(body)
    if reader.raw(len(MAGIC) + 1) != MAGIC + bytes([VERSION]):
        raise Damaged
    name, digest = reader.run().decode(), reader.raw(_DIGEST_BYTES).hex()
    architecture = _read_architecture(_inflated(reader.run()))
    structure = json.loads(_inflated(reader.run()) or b"{}")
    state = read_pieces(_inflated(reader.run()), reader.rest(), most_values)
    if architecture is not None and not state.keys() >= set(architecture.names.values()):
        raise Damaged
    return PackedFile(name, digest, architecture, structure, state)


def _read_architecture(content: bytes) -> Architecture | None:
    if not content:
        return None
    said = json.loads(content)
    return Architecture(str(said["code"]), {str(k): str(v) for k, v in said["names"].items()})


def _damaged(path: Path) -> Refused:
    return Refused("{path} is no packed file of ours or is damaged: write it again with pack.", path=path)


def _rebuilt(subject: Subject, packed: PackedFile) -> nn.Module:
    """The subject's network with the file's structure, factored layers, rules and tensors."""
    network = shared_copy(subject.network)
    if "structure" in packed.structure:
        network = Structure.from_json(packed.structure["structure"]).built(subject.network)
    layers, _ = find_layers(network)
    for layer in layers:
        if _has_new_bias(network, layer, packed.state):
            write_bias(network, layer, torch.zeros(layer.rows))
    before = network.state_dict()
    for layer in layers:
        shapes = _small_shapes(layer, packed.state, before)
        if shapes:
            axes_of(layer, shapes)
            write_factors(network, layer, [torch.zeros(shape) for shape in shapes])
    by_name = {layer.name: layer for layer in layers}
    for name, rules in packed.structure.get("inputs", {}).items():
        attach_inputs(network, by_name[name], [rule_from_json(rule) for rule in rules])
    _fill(network, packed.state)
    return network


def _has_new_bias(network: nn.Module, layer: Layer, state: Mapping[str, Tensor]) -> bool:
    """Whether a correction gave a bias to a layer that had none, under the name it has by now."""
    if layer.kind is LayerKind.EMBEDDING or read_bias(network, layer) is not None:
        return False
    here = with_bias(network, layer, torch.zeros(layer.rows))
    of_part = re.compile(rf"{re.escape(layer.name)}(\.\d+)?\.bias")
    return any(name in here or of_part.fullmatch(name) for name in state)


def _small_shapes(
    layer: Layer, state: Mapping[str, Tensor], before: Mapping[str, Tensor]
) -> list[torch.Size]:
    """The shapes of the kernels of a factored layer's parts; none where it is whole."""
    names = (f"{layer.name}.{index}.weight".removeprefix(".") for index in itertools.count())
    new = itertools.takewhile(lambda name: name in state and name not in before, names)
    stored = [state[name].shape for name in new]
    return shapes_in_file(layer, stored) if stored else []


def _fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put every tensor under its name; what was one tensor under several names is one parameter again."""
    old = network.state_dict()
    if old.keys() != state.keys():
        raise Damaged
    made: dict[int, nn.Parameter] = {}
    for name, tensor in state.items():
        if old[name].shape != tensor.shape or old[name].dtype != tensor.dtype:
            raise Damaged
        owner, _, last = name.rpartition(".")
        module = network.get_submodule(owner)
        if last in dict(module.named_parameters(recurse=False, remove_duplicate=False)):
            parameter = made.setdefault(id(tensor), nn.Parameter(tensor, requires_grad=False))
            setattr(module, last, parameter)
        else:
            setattr(module, last, tensor)
