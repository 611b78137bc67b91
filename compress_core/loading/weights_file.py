"""The bytes of an uploaded model become arrays by name, or one sentence that says why not. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import weight_formats
from compress_core.loading.other_formats import refuse_other_format
from compress_core.loading.recognize import recognized
from compress_core.loading.stored import (
    AskedWeights,
    Caps,
    DeclaredWeights,
    Values,
    check_declared,
    decode,
    shown,
)
from compress_core.subject.reading_remarks import ReadingRemarks

DIRECTORY_BYTES = 2 * 2**20
SERVER_CAPS = Caps(file_bytes=64 * 2**20, directory_bytes=DIRECTORY_BYTES, tensors=4096, elements=32 * 2**20)
"""What a server takes from anybody: as many values as a file of 64 MiB holds in 16 bits."""


@dataclass(frozen=True, eq=False)
class FileWeights:
    """The weights of a model as arrays by name, in the order of the file; remarks: how they were read."""

    arrays: Mapping[str, Values]
    remarks: ReadingRemarks


def read_weights(
    content: bytes, name: str, caps: Caps = SERVER_CAPS, entry: str | None = None
) -> FileWeights:
    """Read the weights of a model from the bytes of a file in one of the `weight_formats`.

    The format is told from the bytes; `name` is the file's name, for the sentence of a refusal. entry: which
    dict of a checkpoint is taken. Every name, type, shape and place is checked against what the file really
    holds before an array is made, and nothing in the file is run. Arrays are new, in the order of the file
    and in their type, as `decode` gives them.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    declared = declared_weights(content, AskedWeights(name, caps, entry))
    return FileWeights(dict(weights_in_turn(declared)), declared.remarks)


def declared_weights(content: bytes, asked: AskedWeights) -> DeclaredWeights:
    """What the bytes of a file declare, checked, before an array is made; raises Refused."""
    if len(content) > asked.caps.file_bytes:
        raise Refused(
            "The file '{file}' has {got:,} bytes; at most {most:,} are read. "
            "Upload a smaller model or use the command line.",
            file=shown(asked.name),
            got=len(content),
            most=asked.caps.file_bytes,
        )
    formats = weight_formats()
    if not any(each.recognizes(content) for each in formats.values()):
        refuse_other_format(content, asked.name)
    declared = recognized(formats, content, asked.name).read(content, asked)
    check_declared(declared.tensors, asked.caps)
    return declared


def weights_in_turn(declared: DeclaredWeights) -> Iterator[tuple[str, Values]]:
    """The arrays by name, one after the other, so that only one of them need be in memory."""
    for tensor, stored in declared.tensors.items():
        yield tensor, decode(tensor, stored)
