"""A zip archive somebody uploaded: its directory checked first, then members read within what it says."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import shown

_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError, OverflowError,
    RuntimeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Zipped:
    """An archive whose directory was checked; `sizes` gives the unpacked bytes of each member by name."""

    archive: zipfile.ZipFile
    sizes: Mapping[str, int]

    def read(self, member: str, most: int | None = None) -> bytes:
        """The first `most` bytes of a member, or all of it, and then the checksum is compared.

        Never more than the directory announced. Raises Refused where the archive is damaged.
        """
        wanted = self.sizes[member] if most is None else min(most, self.sizes[member])
        try:
            with self.archive.open(member) as stream:
                found = stream.read(wanted)
        except _BROKEN as broken:
            raise _damaged(member) from broken
        if len(found) != wanted:
            raise _damaged(member)
        return found


def open_zip(content: bytes, *, most_members: int, most_bytes: int) -> Zipped:
    """Open an archive after checking what its directory claims: members, sizes, compression, repeats.

    Raises Refused; nothing is unpacked here.
    """
    # Counted before the directory is read, which makes an object of every entry.
    if content.count(_ENTRY) > most_members:
        raise Refused(
            "The zip file holds more than {most:,} members, more than are read. "
            "Upload one model or one data set.",
            most=most_members,
        )
    try:
        archive = zipfile.ZipFile(BytesIO(content))
    except _BROKEN as broken:
        raise Refused("The zip file is cut off or damaged: save it anew and upload it again.") from broken
    members = archive.infolist()
    for member in members:
        _check_member(member)
    sizes = {member.filename: member.file_size for member in members}
    if len(sizes) < len(members):
        raise Refused("The zip file has two members of the same name. Save it anew.")
    _check_unpacked(sum(sizes.values()), most_bytes)
    return Zipped(archive, sizes)


def _check_member(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise Refused("The zip file is encrypted. Save it without a password.")
    stored = member.compress_type == zipfile.ZIP_STORED
    if not stored and member.compress_type != zipfile.ZIP_DEFLATED:
        raise Refused(
            "The member '{member}' of the zip file is compressed in a way that is not read here. "
            "Upload the file as PyTorch or numpy wrote it.",
            member=shown(member.filename),
        )
    if stored and member.compress_size != member.file_size:
        raise _damaged(member.filename)


def _check_unpacked(size: int, most: int) -> None:
    if size > most:
        raise Refused(
            "The zip file would unpack to {got:,} bytes; at most {most:,} are read. Upload a smaller file.",
            got=size,
            most=most,
        )


def _damaged(member: str) -> Refused:
    return Refused(
        "The member '{member}' of the zip file is cut off or damaged: save it anew and upload it again.",
        member=shown(member),
    )
