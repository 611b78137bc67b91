"""A zip archive with a folder of pictures for each class."""

from __future__ import annotations

from compress_core.loading.file_format import ZIP, AskedItems, ItemArrays, item_format

_ENTRY = b"PK\x01\x02"
_MOST_LOOKED_AT = 200


def _holds_pictures(content: bytes) -> bool:
    """Whether the directory of a zip archive names pictures among its first members, and no arrays."""
    if not content.startswith(ZIP):
        return False
    names: list[bytes] = []
    at = content.find(_ENTRY)
    while at >= 0 and len(names) < _MOST_LOOKED_AT:
        length = int.from_bytes(content[at + 28 : at + 30], "little")
        names.append(content[at + 46 : at + 46 + length].lower())
        at = content.find(_ENTRY, at + 46)
    endings = (b".png", b".jpg", b".jpeg", b".webp", b".bmp")
    return any(name.endswith(endings) for name in names) and not any(n.endswith(b".npy") for n in names)


@item_format(
    title="a .zip of pictures",
    order=1,
    recognizes=_holds_pictures,
    suffixes=("zip",),
    written_by="zipping a folder that holds a folder of png, jpg, webp or bmp files for each class",
)
def picture_archive(content: bytes, asked: AskedItems) -> ItemArrays:
    """Pictures as the preprocessing makes them, and their classes by the folders they lie in."""
    from compress_core.loading.picture_folder import items_in_picture_archive

    return items_in_picture_archive(content, asked)
