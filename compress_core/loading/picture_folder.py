"""A folder of pictures for each class, on the disk or in a zip archive, becomes items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.file_format import AskedItems, ItemArrays
from compress_core.loading.picture_files import Picture, is_picture, pictures_as_items
from compress_core.loading.stored import shown
from compress_core.loading.zipped import open_zip
from compress_core.subject.reading_remarks import ReadingRemarks, some_of

_OTHER_FILES = 100  # of a zip, beside as many as items are read
_DEEPEST = 6
_HIDDEN = (".", "__MACOSX")


def items_in_picture_archive(content: bytes, asked: AskedItems) -> ItemArrays:
    """The pictures of a zip archive and, by their folders, their classes; raises Refused."""
    caps = asked.caps
    archive = open_zip(content, most_members=caps.items + _OTHER_FILES, most_bytes=caps.unpacked_bytes)
    files: dict[tuple[str, ...], Callable[[], IO[bytes]]] = {}
    for name in archive.sizes:
        path = PurePosixPath(name)
        if not name.endswith("/"):
            files[path.parts] = partial(_member, archive.read, name)
    return _filed(files, asked)


def _member(read: Callable[[str], bytes], name: str) -> IO[bytes]:
    return BytesIO(read(name))


def items_in_picture_folder(folder: Path, asked: AskedItems) -> ItemArrays:
    """The pictures below a folder and, by the folders in it, their classes; raises Refused."""
    found = {
        path.relative_to(folder).parts: partial(_opened_file, path)
        for path in _files(folder, asked.caps.items)
    }
    return _filed(found, asked)


def _opened_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _files(folder: Path, most: int) -> Iterator[Path]:
    """The files in a folder and those in it, to a bounded depth; links to folders are not followed."""
    waiting, seen = [(folder, 0)], 0
    while waiting:
        place, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            raise Refused(
                "{folder} cannot be read ({reason}): give a folder that you may read.",
                folder=place,
                reason=error.strerror or type(error).__name__,
            ) from None
        seen += len(entries)
        if seen > most + _OTHER_FILES:
            raise Refused(
                "The folder {folder} holds more than {most:,} files, more than are read: give a smaller one.",
                folder=folder,
                most=most,
            )
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                waiting.append((Path(entry.path), depth + 1))
            elif entry.is_file():
                yield Path(entry.path)


def _filed(files: Mapping[tuple[str, ...], Callable[[], IO[bytes]]], asked: AskedItems) -> ItemArrays:
    """Files by the parts of their path as pictures with classes: the folder that a picture lies in."""
    visible = {
        parts: opened for parts, opened in files.items() if not any(p.startswith(_HIDDEN) for p in parts)
    }
    places = {parts: opened for parts, opened in sorted(visible.items()) if is_picture(parts[-1])}
    above = _shared_folders(list(places))
    _check_depths(places, above)
    pictures = [
        Picture("/".join(parts), parts[-2] if len(parts) - above == 2 else None, opened)
        for parts, opened in places.items()
    ]
    others = ["/".join(parts) for parts in sorted(visible) if parts not in places]
    found = pictures_as_items(pictures, asked, others)
    if above and all(picture.label is None for picture in pictures):
        folder = "/".join(next(iter(places))[:-1])
        found = replace(found, remarks=found.remarks + ReadingRemarks(warnings=(_one_folder(folder),)))
    return found


def _one_folder(folder: str) -> Phrase:
    return Phrase(
        "All pictures lie in one folder, {folder}, which tells no classes apart, so that they have no "
        "labels: give a folder that holds a folder for each class.",
        folder=shown(folder),
    )


def _shared_folders(places: list[tuple[str, ...]]) -> int:
    """How many folders stand above those of the classes: all pictures lie in them."""
    if not places or min(map(len, places)) == 1:
        return 0
    levels = zip(*(parts[:-1] for parts in places), strict=False)
    return len(list(takewhile(lambda names: len(set(names)) == 1, levels)))


def _check_depths(places: Mapping[tuple[str, ...], object], above: int) -> None:
    """Pictures lie in one folder for each class, all as deep, or all in one folder without classes."""
    depths = {len(parts) - above for parts in places}
    if len(depths) <= 1 and depths <= {1, 2}:
        return
    odd = next(parts for parts in places if len(parts) - above != 2)
    inside = sorted({parts[above] for parts in places if len(parts) > above + 1})
    raise Refused(
        "The pictures do not lie in one folder for each class: '{file}' lies elsewhere. Give the folder in "
        "which the folders of the classes stand; it holds {folders}.",
        file=shown("/".join(odd)),
        folders=some_of(map(shown, inside)),
    )
