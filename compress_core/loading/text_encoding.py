"""In which encoding the bytes of a text file are: UTF-8 is read, and what is plainly another is named."""

from __future__ import annotations

import codecs

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import shown

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def refuse_utf_16(content: bytes, name: str) -> None:
    """Raise Refused where bytes begin with the mark of UTF-16, as Excel's "Unicode text" does."""
    if content.startswith(_UTF_16):
        raise Refused("{file} is in UTF-16, and UTF-8 is read: save it in UTF-8.", file=shown(name))
