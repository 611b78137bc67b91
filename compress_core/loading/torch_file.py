"""A file written by torch.save: where the values of its state dict lie, checked before any is read."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

from compress_core.foundation.errors import Refused
from compress_core.loading.state_pickle import TensorView, read_views
from compress_core.loading.stored import Caps, Stored, shown
from compress_core.loading.zipped import Zipped, open_zip

_SMALL_MEMBERS = 100  # version, byte order and the like


def declared_in_torch(content: bytes, caps: Caps) -> dict[str, Stored]:
    """What a state dict written by torch.save declares, in its order; nothing of its pickle is run.

    A dict around it under 'state_dict', 'model_state_dict' or 'model' is opened. Raises Refused for
    everything else: pickled objects, TorchScript, sparse and quantized tensors, damaged archives.
    """
    most = 4 * caps.tensors + _SMALL_MEMBERS
    archive = open_zip(content, most_members=most, most_bytes=caps.file_bytes)
    root = _folder(archive)
    _check_not_compressed(archive)
    order = f"{root}/byteorder"
    if order in archive.sizes and archive.read(order, most=16) != b"little":
        raise Refused("The file's byte order must be little-endian. Save the model as safetensors.")
    if archive.sizes[f"{root}/data.pkl"] > caps.directory_bytes:
        raise Refused(
            "The pickle in the file has {got:,} bytes; at most {most:,} are read. "
            "Upload the state dict alone: torch.save(model.state_dict(), path).",
            got=archive.sizes[f"{root}/data.pkl"],
            most=caps.directory_bytes,
        )
    return _located(archive, root, read_views(archive.read(f"{root}/data.pkl")))


def _check_not_compressed(archive: Zipped) -> None:
    """torch.save compresses nothing, and what is compressed may unfold a thousandfold."""
    for member in archive.archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED:
            raise Refused(
                "The member '{member}' of the zip file is compressed, which torch.save does not do: unpacked "
                "it may be a thousand times larger. Upload the file as torch.save wrote it, or safetensors.",
                member=shown(member.filename),
            )


def _folder(archive: Zipped) -> str:
    roots = [name.partition("/")[0] for name in archive.sizes if name.partition("/")[2] == "data.pkl"]
    if len(roots) != 1:
        raise Refused(
            "The zip file is not one that torch.save writes: it must hold one data.pkl. "
            "Upload torch.save(model.state_dict(), path) or safetensors."
        )
    if any(name.startswith((f"{roots[0]}/code/", f"{roots[0]}/constants.pkl")) for name in archive.sizes):
        raise Refused(
            "The file is a TorchScript program, which could run code. "
            "Upload torch.save(model.state_dict(), path) or safetensors."
        )
    return roots[0]


def _located(archive: Zipped, root: str, views: Mapping[str, TensorView]) -> dict[str, Stored]:
    buffers: dict[str, memoryview] = {}
    found: dict[str, Stored] = {}
    for name, view in views.items():
        member = f"{root}/data/{view.storage.key}"
        size = view.storage.element.raw.itemsize
        if archive.sizes.get(member, -1) < view.storage.count * size:
            raise Refused(
                "The values of tensor '{tensor}' are missing from the file or too few. "
                "The file is damaged: save it anew.",
                tensor=shown(name),
            )
        if member not in buffers:
            buffers[member] = memoryview(archive.read(member))
        found[name] = Stored(
            member, buffers[member], view.offset * size, view.storage.element, view.shape, view.stride
        )
    return found
