"""The packed container: as small as the weights allow, decoded on any machine to the evaluated values.

| bytes | what |
|---|---|
| 4 + 1 | "SLIM", version |
| 1 + n | name of the model that it was made of |
| 8 | the first of the sha-256 of that model's network: the architecture by id |
| 1 + n | the architecture itself, deflated: deliver/python_source.py's Python; empty where the id is enough |
| 1 + n | what tensors do not say: folded norms, cuts, rules for inputs; deflated JSON, mostly empty |
| 1 + n | directory, deflated: name, kind, shape and lengths of every tensor |
| n | the contents of those that are written apart, in that order |
| n | the joint stream: small tensors, and weights that are mostly zero, in that order |
| 4 | CRC-32 of all before it, the lowest byte first |

Numbers take seven bits a byte. Directories are deflated with common names at hand. It is read back before it
is called written. Version 1, which is still read, had all 32 bytes of the sha-256 and no joint stream.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.deliver.packed_network import rebuilt
from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Allowance, Damaged, TooMuch
from compress_core.deliver.packing.directory import COMMON, read_directory, read_directory_1
from compress_core.deliver.packing.entries import (
    Piece,
    WeightBlock,
    encoded,
    holds,
    plain,
    read_pieces,
    twin_of,
    view_in,
    write_around,
    write_pieces,
)
from compress_core.deliver.packing.reading_limits import (
    ReadingLimits,
    limits_of_file,
    limits_of_model,
    limits_of_own,
)
from compress_core.deliver.packing.short_cuts import with_full_cuts, with_short_cuts
from compress_core.deliver.packing.small_numbers import MOST_NUMBERS
from compress_core.deliver.python_source import Source
from compress_core.deliver.same_bits import same_bits, same_state
from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.errors import Refused, shortened
from compress_core.network.layers.places import read_matrix
from compress_core.network.one_memory import views_in
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import rule_as_json

MAGIC, VERSION = b"SLIM", 2
_LONGEST = 2**23  # bytes of what is deflated, once it is not
_DIGEST_BYTES, _CHECK_BYTES = {1: 32, 2: 8}, 4  # by version
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
    digest: str  # as much of it as the file holds
    architecture: Architecture | None
    structure: Mapping[str, Any]
    state: Mapping[str, Tensor]


def pack_bytes(model: Model, source: Source | None = None) -> bytes:
    """The file's content; the same model gives the same bytes.

    source: the network as Python, to go along so that the file needs no model; raises Refused where that
    holds other tensors than the network.
    """
    return _content(model, source, *write_pieces(_pieces(model, _made_anew)))


KeptPieces = Callable[[str, Callable[[], Piece]], Piece]
"""The piece of a tensor of the base by its name, from what is kept or made."""


def packed_length(model: Model, kept: KeptPieces) -> int:
    """How many bytes `pack_bytes` gives, where what the model left as its base has it is packed once."""
    pieces = _pieces(model, lambda name, make: kept(name, lambda: _without_contents(make())))
    around = _content(model, None, *write_around(pieces))
    return len(around) + sum(piece.bytes_apart for piece in pieces.values())


def _without_contents(piece: Piece) -> Piece:
    return replace(piece, contents=())


def _made_anew(_: str, make: Callable[[], Piece]) -> Piece:
    return make()


def _content(model: Model, source: Source | None, directory: bytes, contents: bytes) -> bytes:
    writer = Writer()
    writer.raw(MAGIC + bytes([VERSION]))
    writer.run(model.subject.name.encode())
    writer.raw(bytes.fromhex(model.subject.digest)[: _DIGEST_BYTES[VERSION]])
    writer.run(b"" if source is None else _deflated(_architecture(model, source)))
    writer.run(_deflated(_structure(model)))
    writer.run(_deflated(directory, COMMON))
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
        said["structure"] = with_short_cuts(model.base.structure.as_json())
    if model.inputs:
        said["inputs"] = {n: [rule_as_json(rule) for rule in rules] for n, rules in model.inputs.items()}
    return json.dumps(said, separators=(",", ":")).encode() if said else b""


def _pieces(model: Model, kept: KeptPieces = _made_anew) -> dict[str, Piece]:
    """Every tensor of the shipped network's state; what lies in the memory of another is stored once."""
    state, base = model.network().state_dict(), model.base.network.state_dict()
    views, order = views_in(state), {name: index for index, name in enumerate(state)}
    blocks = dict(_blocks(model, state))
    pieces: dict[str, Piece] = {}
    places: dict[tuple[object, ...], int] = {}
    for index, (name, tensor) in enumerate(state.items()):
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        first = places.setdefault(place, index) if tensor.numel() else index
        if first != index:
            pieces[name] = twin_of(first)
        elif name in views:
            pieces[name] = view_in(order[views[name].of], views[name])
        else:
            make = partial(_piece, tensor, blocks.get(name, ()))
            pieces[name] = kept(name, make) if _is_of(base, name, tensor) else make()
    return pieces


def _is_of(base: Mapping[str, Tensor], name: str, tensor: Tensor) -> bool:
    """Whether it is the base's own tensor of any shape, and worth to be kept."""
    large, own = tensor.numel() > MOST_NUMBERS, base.get(name)
    return large and own is not None and own.data_ptr() == tensor.data_ptr() and own.shape == tensor.shape


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


def _deflated(content: bytes, known: bytes = b"") -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, _DEFLATE, zdict=known)
    return packer.compress(content) + packer.flush() if content else b""


def _inflated(content: bytes, known: bytes = b"") -> bytes:
    if not content:
        return b""
    unpacker = zlib.decompressobj(_DEFLATE, zdict=known)
    inflated = unpacker.decompress(content, _LONGEST)
    if unpacker.unconsumed_tail:
        raise TooMuch
    if not unpacker.eof or unpacker.unused_data:
        raise Damaged
    return inflated


def write_packed(model: Model, path: Path, source: Source | None = None) -> int:
    """Write the file, read it back, compare every bit; returns its bytes.

    Raises Refused where the file on the disk does not hold the evaluated values.
    """
    content = pack_bytes(model, source)
    write_whole(path, content)
    subject = model.subject
    read = _network_of(subject, path, read_packed_state(path, limits_of_own(_values_of(subject))))
    if not same_state(model.network().state_dict(), read.state_dict()):
        raise Refused(
            "{path} does not hold the evaluated values: free some space and write it again.", path=path
        )
    return len(content)


def read_packed(path: Path, subject: Subject) -> nn.Module:
    """The compressed network from its file and the model it was made of; raises Refused."""
    size = path.stat().st_size if path.is_file() else 0
    return _network_of(subject, path, read_packed_state(path, limits_of_model(size, _values_of(subject))))


def _values_of(subject: Subject) -> int:
    return sum(tensor.numel() for tensor in subject.network.state_dict().values())


def _network_of(subject: Subject, path: Path, packed: PackedFile) -> nn.Module:
    """The file's network; raises Refused where it belongs to another model or does not fit this one."""
    if not subject.digest.startswith(packed.digest):
        raise Refused(
            "{path} was made of another model ({model}): load that model first.",
            path=path,
            model=shortened(packed.model),
        )
    try:
        return rebuilt(subject, packed.structure, packed.state)
    except Refused:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError):
        raise _damaged(path) from None


def read_packed_state(path: Path, limits: ReadingLimits | None = None) -> PackedFile:
    """What a packed file holds, without the model that it was made of.

    limits None: those of a file of its length. Raises Refused where the file is damaged, or claims more
    than it may.
    """
    if not path.is_file():
        raise Refused("{path} is not there: name a file that slimscope pack wrote.", path=path)
    try:
        content = path.read_bytes()
        return _read(content, limits or limits_of_file(len(content)))
    except TooMuch:
        raise Refused(
            "{path} claims more values, or more work to decode them, than its {size:,} bytes can stand for: "
            "it is damaged, or was made to fill this machine; write it again with pack.",
            path=path,
            size=path.stat().st_size,
        ) from None
    except (
        OSError,
        zlib.error,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
        ArithmeticError,
        MemoryError,
    ):
        raise _damaged(path) from None


def _read(content: bytes, limits: ReadingLimits) -> PackedFile:
    body, check = content[:-_CHECK_BYTES], content[-_CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") != check:
        raise Damaged
    reader = Reader(body)
    magic, (version,) = reader.raw(len(MAGIC)), reader.raw(1)
    if magic != MAGIC or version not in _DIGEST_BYTES:
        raise Damaged
    name, digest = reader.run().decode(), reader.raw(_DIGEST_BYTES[version]).hex()
    architecture = _read_architecture(_inflated(reader.run()))
    structure = _read_structure(_inflated(reader.run()), limits)
    known, read = (b"", read_directory_1) if version == 1 else (COMMON, read_directory)
    directory = _inflated(reader.run(), known)
    state = read_pieces(directory, reader.rest(), limits.values, limits.work, read)
    if architecture is not None:
        Allowance(limits.values).take(sum(state[place].numel() for place in architecture.names.values()))
    return PackedFile(name, digest, architecture, structure, state)


def _read_structure(content: bytes, limits: ReadingLimits) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(content or b"{}")
    if "structure" in said:
        said["structure"] = with_full_cuts(said["structure"], Allowance(limits.values, limits.work))
    return said


def _read_architecture(content: bytes) -> Architecture | None:
    if not content:
        return None
    said = json.loads(content)
    return Architecture(str(said["code"]), {str(k): str(v) for k, v in said["names"].items()})


def _damaged(path: Path) -> Refused:
    return Refused("{path} is no packed file of ours or is damaged: write it again with pack.", path=path)
