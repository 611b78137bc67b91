"""What a format for upload is: how its files are called and begin, and what reads them. Needs no torch.

Each is a file of its own in `weight_formats` or `item_formats`. Those are imported to draw a page, so they
import what reads only when there is something to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from compress_core.foundation.one_file_each import OneFileEach
from compress_core.loading.preprocessing import Preprocessing
from compress_core.subject.reading_remarks import ReadingRemarks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from compress_core.loading.stored import AskedWeights, DeclaredWeights

Read = TypeVar("Read")
Recognizes = Callable[[bytes], bool]

ZIP = b"PK\x03\x04"
"""How a zip archive begins."""


@dataclass(frozen=True)
class ItemCaps:
    """What a data set may hold at most.

    unpacked_bytes counts all arrays of the file together as it holds them, float32_bytes the inputs as the
    network takes them: 10,000 color images of 32 x 32 take 117 MiB. columns: of a table; pixels: of one
    picture and of all, as they are stored.
    """

    file_bytes: int = 64 * 2**20
    unpacked_bytes: int = 160 * 2**20
    float32_bytes: int = 128 * 2**20
    items: int = 200_000
    dimensions: int = 5
    classes: int = 10_000
    columns: int = 20_000
    pixels: int = 2**24
    all_pixels: int = 2**27


@dataclass(frozen=True)
class ItemKnobs:
    """What somebody may say of a file of items: what is done to pictures, and which column is the label.

    label_column: by its name or its number from 1; 'none' where no column is.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    label_column: str | None = None


NO_KNOBS = ItemKnobs()


@dataclass(frozen=True)
class AskedItems:
    """What is asked of a file of items: its name, for a refusal, its caps, and what is said of it."""

    name: str
    caps: ItemCaps
    knobs: ItemKnobs = field(default_factory=ItemKnobs)


@dataclass(frozen=True, eq=False)
class ItemArrays:
    """What a file of items holds, within the caps but not looked at: inputs [N, ...], labels or None.

    inputs are several by name for a network that takes such. classes: what the labels are numbers of, where
    the file has names; features: what the columns of a table are called. pictures: whether the inputs are
    pixels [N, C, H, W] of picture files.
    """

    inputs: npt.NDArray[np.generic] | Mapping[str, npt.NDArray[np.generic]]
    labels: npt.NDArray[np.generic] | None = None
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    pictures: bool = False
    remarks: ReadingRemarks = field(default_factory=ReadingRemarks)


ReadWeights = Callable[[bytes, "AskedWeights"], "DeclaredWeights"]
ReadItems = Callable[[bytes, AskedItems], ItemArrays]


@dataclass(frozen=True)
class FileFormat(Generic[Read]):
    """A format of files.

    suffixes: how its files end, without a dot; written_by: what writes one. Both are empty for a format that
    is only recognized, to say why it is not read. read raises Refused, and nothing else. needs: modules that
    are imported before the limits of a reading process are set, since they ask for much memory.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    written_by: str
    order: int
    recognizes: Recognizes
    read: Read
    needs: tuple[str, ...] = ()


class FileFormats(OneFileEach[FileFormat[Read]]):
    """The formats of one kind of files, in the order in which they are tried."""

    def __init__(self, package: str) -> None:
        super().__init__(package, lambda format_: (format_.order, format_.name))

    def format(
        self,
        *,
        title: str,
        order: int,
        recognizes: Recognizes,
        suffixes: tuple[str, ...] = (),
        written_by: str = "",
        needs: tuple[str, ...] = (),
    ) -> Callable[[Read], Read]:
        """Register a function that reads bytes as a format; it stays a function."""

        def register(read: Read) -> Read:
            function: Any = read
            name, module = function.__name__, function.__module__
            format_ = FileFormat(name, title, suffixes, written_by, order, recognizes, read, needs)
            self.declare(module, name, format_)
            return read

        return register


_WEIGHTS: FileFormats[ReadWeights] = FileFormats("compress_core.loading.weight_formats")
_ITEMS: FileFormats[ReadItems] = FileFormats("compress_core.loading.item_formats")
weight_format = _WEIGHTS.format
item_format = _ITEMS.format


def weight_formats() -> Mapping[str, FileFormat[ReadWeights]]:
    """Every format of weights by name, in the order in which they are tried."""
    return _WEIGHTS.found()


def item_formats() -> Mapping[str, FileFormat[ReadItems]]:
    """Every format of items by name, in the order in which they are tried."""
    return _ITEMS.found()


def suffixes_of(formats: Mapping[str, FileFormat[Read]]) -> tuple[str, ...]:
    """How files of these formats end, without a dot."""
    return tuple(suffix for format_ in formats.values() for suffix in format_.suffixes)


def begins_with(sign: bytes, at: int = 0) -> Recognizes:
    """Whether bytes hold a sign at a place near their beginning."""
    return lambda content: content[at : at + len(sign)] == sign
