"""The bytes of an uploaded model become arrays by name, or one sentence that says why not. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import weight_formats
from compress_core.loading.recognize import recognized
from compress_core.loading.stored import Caps, Stored, Values, check_declared, decode, shown

DIRECTORY_BYTES = 2 * 2**20
SERVER_CAPS = Caps(file_bytes=64 * 2**20, directory_bytes=DIRECTORY_BYTES, tensors=4096, elements=32 * 2**20)
"""What a server takes from anybody: as many values as a file of 64 MiB holds in 16 bits."""


def read_weights(content: bytes, name: str, caps: Caps = SERVER_CAPS) -> dict[str, Values]:
    """Read the weights of a model from the bytes of a file in one of the `weight_formats`.

    The format is told from the bytes; `name` is the file's name, for the sentence of a refusal. Every name,
    type, shape and place is checked against what the file really holds before an array is made, and nothing
    in the file is run. Arrays are new, in the order of the file and in their type, as `decode` gives them.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    return dict(weights_in_turn(content, name, caps))


def weights_in_turn(content: bytes, name: str, caps: Caps = SERVER_CAPS) -> Iterator[tuple[str, Values]]:
    """The same, one after the other, so that only one of them need be in memory."""
    declared = _declared(content, name, caps)
    check_declared(declared, caps)
    for tensor, stored in declared.items():
        yield tensor, decode(tensor, stored)


def _declared(content: bytes, name: str, caps: Caps) -> Mapping[str, Stored]:
    if len(content) > caps.file_bytes:
        raise Refused(
            "The file '{file}' has {got:,} bytes; at most {most:,} are read. "
            "Upload a smaller model or use the command line.",
            file=shown(name),
            got=len(content),
            most=caps.file_bytes,
        )
    format_ = recognized(weight_formats(), content, name)
    return format_.read(content, name, caps)
