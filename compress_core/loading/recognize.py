"""Which format a file is in, told from its bytes."""

from __future__ import annotations

from collections.abc import Mapping

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import FileFormat, Read
from compress_core.loading.stored import shown
from compress_core.loading.text_encoding import refuse_utf_16


def recognized(formats: Mapping[str, FileFormat[Read]], content: bytes, name: str) -> FileFormat[Read]:
    """The first format that the bytes begin like; raises Refused where there is none. name is the file's."""
    if not content:
        raise Refused(
            "The file '{file}' is empty (0 bytes): save it anew, or look whether it was copied whole.",
            file=shown(name),
        )
    for format_ in formats.values():
        if format_.recognizes(content):
            return format_
    refuse_utf_16(content, name)
    read = [format_ for format_ in formats.values() if format_.written_by]
    raise Refused(
        "The file '{file}' is none of these: {formats}. Upload what one of these writes: {writers}.",
        file=shown(name),
        formats=", ".join(format_.title for format_ in read),
        writers=", ".join(format_.written_by for format_ in read),
    )
