"""Picture files become arrays of pixels: sizes are looked at before anything is decoded. Needs no torch."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.file_format import AskedItems, ItemArrays
from compress_core.loading.items import check_float32_bytes
from compress_core.loading.preprocessing import READ_WITH, Preprocessing
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import ReadingRemarks, some_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_NOT_READ = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".jfif", ".ico")
"""How pictures are called that people keep and that are not read."""
_KINDS = ("PNG", "JPEG", "WEBP", "BMP")
_GRAY = {"1", "L", "LA"}
_COLORED = {"P", "RGB", "RGBA", "CMYK", "YCbCr"}
_LONGEST_SIDE = 2**14
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, OverflowError, TypeError, IndexError, KeyError, struct.error,
    zlib.error,
)  # fmt: skip
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture file of somebody: its name, the class that it is filed under, and how its bytes are had."""

    name: str
    label: str | None
    opened: Callable[[], IO[bytes]]


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture that is read here."""
    return name.lower().endswith(SUFFIXES)


def pictures_as_items(pictures: Sequence[Picture], asked: AskedItems, others: Sequence[str]) -> ItemArrays:
    """Pictures as pixels [N, C, H, W] of bytes, resized and cropped as asked, and their classes.

    Where nothing is said of channels, pictures that are all gray have one and others three; where nothing is
    said of sizes, all must have the same. others: files that are no pictures, which are told of. Raises
    Refused with the name of the first that cannot be read.
    """
    if not 1 <= len(pictures) <= asked.caps.items:
        raise Refused(
            "The data holds {got:,} pictures (png, jpg, webp, bmp); 1 to {most:,} are read. Give a folder "
            "that holds a folder of pictures for each class.",
            got=len(pictures),
            most=asked.caps.items,
        )
    how = _with_channels(pictures, asked)
    pixels = _all_pixels(pictures, how, asked)
    labels, classes = _labels(pictures)
    return ItemArrays(pixels, labels, classes, pictures=True, remarks=_remarks(how, classes, others, labels))


def _with_channels(pictures: Sequence[Picture], asked: AskedItems) -> Preprocessing:
    """What is done to every picture, with their own channels where nobody said; only headers are read."""
    all_gray, total = True, 0
    for picture in pictures:
        with _opened(picture, asked) as image:
            all_gray = all_gray and image.mode in _GRAY
            total += image.width * image.height
        if total > asked.caps.all_pixels:
            raise Refused(
                "The pictures have more than {most:,} pixels together, the most that are decoded here: give "
                "fewer or smaller ones.",
                most=asked.caps.all_pixels,
            )
    how = asked.knobs.preprocessing
    return how if how.channels is not None else replace(how, channels="gray" if all_gray else "rgb")


@contextmanager
def _opened(picture: Picture, asked: AskedItems) -> Iterator[Image.Image]:
    """A picture whose header was looked at and whose pixels were not; raises Refused for a broken one."""
    try:
        with warnings.catch_warnings(), picture.opened() as stream:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream, formats=_KINDS) as image:
                _check_header(picture, image, asked)
                yield image
    except Refused:
        raise
    except _TOO_LARGE as broken:
        raise Refused(
            "The picture '{file}' announces more than the {most:,} pixels that are decoded. Give a smaller "
            "one.",
            file=shown(picture.name),
            most=asked.caps.pixels,
        ) from broken
    except _BROKEN as broken:
        raise Refused(
            "The picture '{file}' cannot be read: it is cut off, damaged or none of {kinds}. Save it anew, "
            "or leave it out.",
            file=shown(picture.name),
            kinds=", ".join(_KINDS),
        ) from broken


def _check_header(picture: Picture, image: Image.Image, asked: AskedItems) -> None:
    width, height = image.size
    if width * height > asked.caps.pixels or max(width, height) > asked.caps.pixels:
        raise Refused(
            "The picture '{file}' announces {width:,} x {height:,} pixels; at most {most:,} are decoded. "
            "Give a smaller one.",
            file=shown(picture.name),
            width=width,
            height=height,
            most=asked.caps.pixels,
        )
    if image.mode not in _GRAY | _COLORED:
        raise Refused(
            "The picture '{file}' has pixels of the kind {mode}, not of 8 bits: save it with 8 bits for each "
            "channel.",
            file=shown(picture.name),
            mode=shown(image.mode),
        )


def _all_pixels(pictures: Sequence[Picture], how: Preprocessing, asked: AskedItems) -> npt.NDArray[np.uint8]:
    first = _pixels(pictures[0], how, asked)
    check_float32_bytes((len(pictures), 3, *first.shape[1:]), asked.caps)  # a network may want three channels
    found = np.empty((len(pictures), *first.shape), np.uint8)
    found[0] = first
    for index, picture in enumerate(pictures[1:], start=1):
        pixels = _pixels(picture, how, asked)
        if pixels.shape != first.shape:
            raise Refused(
                "The pictures differ in size: '{first}' has {first_size} pixels and '{file}' {size}. Say "
                "what they become, with preprocessing resize=256 crop=224 or what your network was trained "
                "with.",
                first=shown(pictures[0].name),
                first_size=_size(first),
                file=shown(picture.name),
                size=_size(pixels),
            )
        found[index] = pixels
    return found


def _size(pixels: npt.NDArray[np.uint8]) -> str:
    return f"{pixels.shape[2]} x {pixels.shape[1]}"


def _pixels(picture: Picture, how: Preprocessing, asked: AskedItems) -> npt.NDArray[np.uint8]:
    """One picture as the network gets it but for its scale, [C, H, W]."""
    with _opened(picture, asked) as image:
        plain = image.convert("L" if how.channels == "gray" else "RGB")
        values = np.asarray(_cropped(_resized(plain, how, picture), how, picture))
    if values.ndim == 2:
        return values[None]
    channels = values.transpose(2, 0, 1)
    return channels[::-1] if how.channels == "bgr" else channels


def _resized(image: Image.Image, how: Preprocessing, picture: Picture) -> Image.Image:
    """The shorter side as asked and the other in proportion, or both as asked."""
    if how.resize is None:
        return image
    if len(how.resize) == 2:
        height, width = how.resize
    else:
        (side,) = how.resize
        short, long = sorted(image.size)
        longer = int(side * long / short)
        width, height = (side, longer) if image.width <= image.height else (longer, side)
    if max(width, height) > _LONGEST_SIDE:
        raise Refused(
            "The picture '{file}' would have {width:,} x {height:,} pixels when it is resized; a side has "
            "{most:,} at most. Leave it out.",
            file=shown(picture.name),
            width=width,
            height=height,
            most=_LONGEST_SIDE,
        )
    return (
        image if image.size == (width, height) else image.resize((width, height), _FILTERS[how.interpolation])
    )


def _cropped(image: Image.Image, how: Preprocessing, picture: Picture) -> Image.Image:
    """What lies around the center."""
    if how.crop is None:
        return image
    height, width = how.crop
    if image.width < width or image.height < height:
        raise Refused(
            "The picture '{file}' has {width} x {height} pixels, less than the crop of {crop}: resize "
            "pictures first, with resize in the preprocessing.",
            file=shown(picture.name),
            width=image.width,
            height=image.height,
            crop=f"{how.crop[1]} x {how.crop[0]}",
        )
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def _labels(pictures: Sequence[Picture]) -> tuple[npt.NDArray[np.int64] | None, tuple[str, ...]]:
    """The number of each picture's class, and what the classes are called, unless that is a number."""
    names = [picture.label for picture in pictures if picture.label is not None]
    return numbered_classes(names) if names else (None, ())


def numbered_classes(names: Sequence[str]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Classes as numbers [N] from 0 in the order of their names; names that are numbers stay so."""
    classes = sorted(set(names))
    if all(name.isascii() and name.isdecimal() and len(name) < 10 for name in classes):
        return np.array([int(name) for name in names], dtype=np.int64), ()
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places[name] for name in names], dtype=np.int64), tuple(classes)


def said_of_classes(classes: Sequence[str], labels: npt.NDArray[np.int64] | None) -> list[str]:
    """How labels [N] came to be numbers, in a sentence."""
    if classes:
        return [
            Phrase(
                "The {count} classes are numbered in the order of their names: {names}.",
                count=len(classes),
                names=some_of(f"{place} {shown(name)}" for place, name in enumerate(classes)),
            )
        ]
    return (
        [] if labels is None else [Phrase("The classes are called by numbers, which were taken as they are.")]
    )


def _remarks(
    how: Preprocessing, classes: tuple[str, ...], others: Sequence[str], labels: npt.NDArray[np.int64] | None
) -> ReadingRemarks:
    said: list[str] = [Phrase(READ_WITH, how=how.as_text())]
    said += said_of_classes(classes, labels)
    if others:
        said.append(
            Phrase(
                "Files that are no pictures were left aside: {names}.",
                names=some_of(map(shown, others)),
            )
        )
    return ReadingRemarks(tuple(said), tuple(_said_of_other_pictures(others)))


def _said_of_other_pictures(others: Sequence[str]) -> list[str]:
    """That pictures of kinds that are not read are missing among the items, and how many."""
    missing = [name for name in others if name.lower().endswith(_NOT_READ)]
    if not missing:
        return []
    return [
        Phrase(
            "{count} pictures are of a kind that is not read and are not among the items ({names}): save "
            "them as png to have them judged too.",
            count=len(missing),
            names=some_of(map(shown, missing)),
        )
    ]
