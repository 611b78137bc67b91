"""Files of one's own: as large as memory allows, no more than follows from their bytes. Needs no torch."""

from __future__ import annotations

import stat
from dataclasses import replace
from itertools import islice
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import ItemCaps
from compress_core.loading.items import DEFAULT_CAPS
from compress_core.loading.stored import Caps
from compress_core.loading.weights_file import DIRECTORY_BYTES, SERVER_CAPS

LARGEST_FILE = 8 * 2**30
MOST_TENSORS = 2**16
_MOST_ITEMS = 10**7
_MOST_PIXELS = 2**27
_BYTES_AN_INSTRUCTION = 256  # a tensor takes 40 instructions, and is stored with some hundred bytes of names
LARGE_CAPS = replace(
    DEFAULT_CAPS,
    file_bytes=LARGEST_FILE,
    unpacked_bytes=2 * LARGEST_FILE,
    float32_bytes=2 * LARGEST_FILE,
    items=_MOST_ITEMS,
    pixels=_MOST_PIXELS,
    all_pixels=2**44,
)
"""For arrays that are in memory already."""
_MOST_UNPACKED = 32  # times the bytes of the file: digits in black and white deflate to a twentieth


def item_caps_for(size: int) -> ItemCaps:
    """What a file of items of one's own may hold, from its bytes."""
    return replace(
        LARGE_CAPS,
        unpacked_bytes=max(DEFAULT_CAPS.unpacked_bytes, _MOST_UNPACKED * size),
        float32_bytes=max(DEFAULT_CAPS.float32_bytes, _MOST_UNPACKED * size),
    )


def caps_of_folder(folder: Path) -> ItemCaps:
    """What a folder of pictures of one's own may hold, from the bytes of its files."""
    sizes = (path.stat().st_size for path in islice(folder.rglob("*"), _MOST_ITEMS) if path.is_file())
    return item_caps_for(sum(sizes))


def weight_caps_for(size: int) -> Caps:
    """What a file of weights of one's own may hold, from its bytes: a value takes one at least."""
    return Caps(
        LARGEST_FILE,
        directory_bytes=max(DIRECTORY_BYTES, size // 16),
        tensors=MOST_TENSORS,
        elements=max(SERVER_CAPS.elements, size),
        instructions=max(SERVER_CAPS.instructions, size // _BYTES_AN_INSTRUCTION),
    )


def content_of_file(path: Path, most: int = LARGEST_FILE) -> bytes:
    """The bytes of a file; raises Refused where it cannot be read, or has more than so many.

    Of what has no size, as a pipe, no more is read than a server would take.
    """
    try:
        found = path.stat()
        most = most if stat.S_ISREG(found.st_mode) else min(most, SERVER_CAPS.file_bytes)
        content = b"" if found.st_size > most else _at_most(path, most + 1)
    except (OSError, ValueError, MemoryError) as error:  # a name with a NUL in it is a ValueError
        raise Refused(
            "{path} cannot be read ({reason}): give a file that exists.",
            path=path,
            reason=getattr(error, "strerror", None) or str(error) or type(error).__name__,
        ) from None
    if found.st_size > most or len(content) > most:
        raise Refused(
            "{path} has more than {most:,} bytes, the most that are read: give a smaller file.",
            path=path,
            most=most,
        )
    return content


def _at_most(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read() if stat.S_ISREG(path.stat().st_mode) else file.read(most)
