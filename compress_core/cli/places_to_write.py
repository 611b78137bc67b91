"""Where files shall go, checked before anything costly begins: a wrong name must not cost an hour's work."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from compress_core.cli.arguments import ModelOptions


def refuse_unwritable(option: str, place: Path) -> None:
    """Raises Refused where no file can be written at a place; folders that are missing would be made.

    A file is really begun in the folder, and removed: rights alone do not tell of a disk that is read-only.
    """
    try:
        with suppress(FileNotFoundError):
            place.lstat()  # tells of a name that no disk takes
        is_folder = place.is_dir()
        with tempfile.TemporaryFile(dir=_nearest(place.parent)):
            pass
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        raise Refused(
            "{option} {place} cannot be written ({reason}): choose another place.",
            option=option,
            place=place,
            reason=getattr(error, "strerror", None) or str(error),
        ) from None
    if is_folder:
        raise Refused("{option} {place} is a folder: add the name of a file.", option=option, place=place)


def refuse_to_lose(option: str, place: Path, *, force: bool) -> None:
    """Raises Refused where evidence or a list that somebody fills in would be replaced by another one."""
    if (place.exists() or place.is_symlink()) and not force:
        raise Refused(
            "{option} {place} is there already ({size:,} bytes), and evidence or what was filled in by hand "
            "stays: choose another name, or replace it with --force.",
            option=option,
            place=place,
            size=place.lstat().st_size,
        )


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def refuse_collisions(written: Mapping[Path, str], read: Iterable[Path]) -> None:
    """Raises Refused where a file that shall be written would replace one that is read.

    written: the option that names each place.
    """
    among = {_one_name(place) for place in read}
    for place, option in written.items():
        if _one_name(place) in among:
            raise Refused(
                "{option} {place} would replace a file that is read: choose another name.",
                option=option,
                place=place,
            )


def files_of(asked: ModelOptions) -> Iterator[Path]:
    """Every file that a model, its recipe and its items may be read from."""
    yield from (Path(name) for name in (asked.model, asked.recipe) if name)
    yield from (place for place in (asked.weights, asked.items, asked.train) if place is not None)
    if asked.trained is not None:
        from compress_core.deliver.trained_folder import FILES

        yield from (asked.trained / name for name in FILES)


def refuse_twice(places: Iterable[Path]) -> None:
    """Raises Refused where two files would go to one place."""
    seen: set[Path] = set()
    for place in places:
        if (one := _one_name(place)) in seen:
            raise Refused("Two files would go to {place}: give one of them another name.", place=place)
        seen.add(one)


def _one_name(place: Path) -> Path:
    with suppress(OSError, ValueError, RuntimeError):  # a loop of links
        return place.resolve()
    return place
