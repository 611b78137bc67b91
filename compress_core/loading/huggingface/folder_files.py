"""The files of a folder, on a disk or in a ZIP, and the weights among them. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from compress_core.foundation.errors import Refused
from compress_core.loading.huggingface.config_file import CONFIG, MOST_BYTES, object_in
from compress_core.loading.stored import AskedWeights, Caps, Values, shown
from compress_core.loading.weights_file import declared_weights, weights_in_turn
from compress_core.loading.zipped import open_zip

SAFETENSORS, INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
MOST_MEMBERS, MOST_SHARDS = 400, 128
_SHARD = re.compile(r"[\w.-]{1,100}\.safetensors")
_SUBFOLDERS = ("1_Pooling", "2_Normalize")


@dataclass(frozen=True, eq=False)
class FolderFiles:
    """What lies in a folder: bytes of each file by its name, and how so many of them at most are read."""

    name: str
    sizes: Mapping[str, int]
    reads: Callable[[str], bytes]

    def read(self, name: str, most: int) -> bytes:
        """A file; raises Refused where it is larger."""
        if self.sizes[name] > most:
            raise Refused(
                "{file} has {got:,} bytes; at most {most:,} are read.",
                file=name,
                got=self.sizes[name],
                most=most,
            )
        return self.reads(name)


def is_model_folder(path: Path) -> bool:
    """Whether a folder holds a network as the Hugging Face libraries save it."""
    try:
        return path.is_dir() and ((path / CONFIG).is_file() or (path / "modules.json").is_file())
    except (OSError, ValueError):  # nothing can have such a name
        return False


def folder_on_disk(path: Path, read: Callable[[Path], bytes]) -> FolderFiles:
    """The files of a folder of one's own."""
    places = [path, *(path / name for name in _SUBFOLDERS)]
    found = [file for place in places if place.is_dir() for file in sorted(place.iterdir()) if file.is_file()]
    names = {file.relative_to(path).as_posix(): file for file in found[: 4 * MOST_MEMBERS]}
    sizes = {name: file.stat().st_size for name, file in names.items()}
    return FolderFiles(path.resolve().name, sizes, lambda name: read(names[name]))


def folder_in_zip(content: bytes, name: str, most_bytes: int) -> FolderFiles:
    """The files of a folder that was put into a ZIP, alone or in a folder of its own; raises Refused."""
    archive = open_zip(content, most_members=MOST_MEMBERS, most_bytes=most_bytes)
    roots = [PurePosixPath(member).parent for member in archive.sizes if PurePosixPath(member).name == CONFIG]
    root = min(roots, key=lambda place: len(place.parts), default=None)
    if root is None:
        raise Refused(
            "{file} holds no config.json: put a folder that save_pretrained wrote into the ZIP.",
            file=shown(name),
        )
    inside = {
        PurePosixPath(member).relative_to(root).as_posix(): member
        for member in archive.sizes
        if PurePosixPath(member).is_relative_to(root) and not member.endswith("/")
    }
    sizes = {short: archive.sizes[member] for short, member in inside.items()}
    return FolderFiles(PurePosixPath(name).stem, sizes, lambda short: archive.read(inside[short]))


def has_weights(files: FolderFiles) -> bool:
    """Whether a folder holds weights that may be read."""
    return any(name in files.sizes for name in (SAFETENSORS, INDEX, PICKLED))


def weights_of_folder(files: FolderFiles, caps: Caps) -> Iterator[tuple[str, Values]]:
    """The arrays of a folder by name, one after the other; raises Refused.

    Safetensors go before a pickle, which passes the quarantine of every file of weights.
    """
    for name in _files_of_weights(files):
        yield from weights_in_turn(
            declared_weights(files.read(name, caps.file_bytes), AskedWeights(name, caps))
        )


def _files_of_weights(files: FolderFiles) -> tuple[str, ...]:
    if SAFETENSORS in files.sizes:
        return (SAFETENSORS,)
    if INDEX in files.sizes:
        return _shards(files)
    if PICKLED in files.sizes:
        return (PICKLED,)
    raise Refused(
        "{folder} has no weights that are read here ({known}): save it with safe_serialization=True.",
        folder=shown(files.name),
        known=f"{SAFETENSORS}, {INDEX}, {PICKLED}",
    )


def _shards(files: FolderFiles) -> tuple[str, ...]:
    """The files that an index names, which must lie beside it."""
    listed = object_in(files.read(INDEX, 4 * MOST_BYTES), INDEX).get("weight_map")
    names = sorted(set(map(str, listed.values()))) if isinstance(listed, dict) else []
    if not 1 <= len(names) <= MOST_SHARDS or not all(map(_SHARD.fullmatch, names)):
        raise Refused("The index of {folder} names no files of weights beside it.", folder=shown(files.name))
    missing = [name for name in names if name not in files.sizes]
    if missing:
        raise Refused(
            "{folder} lacks {file}, which its index names: put all parts into the folder.",
            folder=shown(files.name),
            file=shown(missing[0]),
        )
    return tuple(names)
