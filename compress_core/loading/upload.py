"""The bytes of an uploaded model become its state dict, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import weight_formats
from compress_core.loading.recognize import recognized
from compress_core.loading.stored import Caps, Stored, check_declared, decode, shown

MAX_BYTES = 200 * 2**20
MAX_TENSORS = 4096
MAX_ELEMENTS = 50_000_000
_DIRECTORY_BYTES = 2 * 2**20
_ADDED_PREFIXES = ("module.", "_orig_mod.")  # by DataParallel and by torch.compile


def read_state_dict(
    content: bytes,
    name: str,
    *,
    max_bytes: int = MAX_BYTES,
    max_tensors: int = MAX_TENSORS,
    max_elements: int = MAX_ELEMENTS,
) -> dict[str, Tensor]:
    """Read the weights of a model from the bytes of a file in one of the `weight_formats`.

    The format is told from the bytes; `name` is the file's name, for the sentence of a refusal. Every name,
    type, shape and place is checked against what the file really holds before a tensor is made, and nothing
    in the file is run. Tensors are new, in the order of the file, floating point as float32; the prefixes
    `module.` and `_orig_mod.` are taken off. This is the seam for reading in a process of its own.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    caps = Caps(max_bytes, _DIRECTORY_BYTES, max_tensors, max_elements)
    declared = _declared(content, name, caps)
    check_declared(declared, caps)
    return _without_prefix({tensor: decode(tensor, stored) for tensor, stored in declared.items()})


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


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _ADDED_PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefix({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return dict(state)
