"""A file written by torch.save: where the values of its state dict lie, checked before any is read."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

from compress_core.foundation.errors import Refused
from compress_core.loading.checkpoint_entries import weights_of
from compress_core.loading.state_pickle import TensorView, unpickled
from compress_core.loading.stored import AskedWeights, DeclaredWeights, Stored, shown
from compress_core.loading.zipped import Zipped, open_zip

_SMALL_MEMBERS = 100  # version, byte order and the like
_MEMBERS_A_TENSOR = 4  # an optimizer has three for each
_EXPORTED = ("archive_format", "serialized_exported_program.json", "models/model.json")
_KERAS = "model.weights.h5"


def declared_in_torch(content: bytes, asked: AskedWeights) -> DeclaredWeights:
    """What a state dict or a checkpoint written by torch.save declares; nothing of its pickle is run.

    Of a checkpoint the weights are found, as `weights_of` says. Raises Refused for everything else: pickled
    modules, TorchScript, exported programs, sparse and quantized tensors, damaged archives.
    """
    caps = asked.caps
    most = _MEMBERS_A_TENSOR * caps.tensors + _SMALL_MEMBERS
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
    program = unpickled(archive.read(f"{root}/data.pkl"), caps.instructions)
    views, remarks = weights_of(program, asked.entry)
    return DeclaredWeights(_located(archive, root, views), remarks)


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
        _refuse_other_archive(tuple(archive.sizes))
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


def _refuse_other_archive(members: tuple[str, ...]) -> None:
    """Raise Refused with what to do instead, where the members tell what the archive is."""
    if any(name.endswith(_EXPORTED) for name in members):
        raise Refused(
            "The file is a program that torch.export wrote (.pt2), and to load one may run code. Upload "
            "torch.save(model.state_dict(), path) of the network it was made from; on your own machine a "
            "function of yours may load it: slimscope open package.module:function."
        )
    if _KERAS in members:
        raise Refused(
            "The file is a Keras model (.keras), and networks here are PyTorch's. Build the same network in "
            "PyTorch, copy the weights and upload torch.save(model.state_dict(), path)."
        )
    if members and all(name.endswith(".npy") for name in members):
        raise Refused(
            "The file is an .npz archive of arrays, which is read as items, not as weights: give it beside "
            "a model, as its items."
        )


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
