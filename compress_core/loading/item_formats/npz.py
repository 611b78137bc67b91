"""A zip archive of arrays, as numpy.savez writes it."""

from __future__ import annotations

from compress_core.loading.file_format import ZIP, AskedItems, ItemArrays, begins_with, item_format


@item_format(
    title=".npz",
    order=2,
    recognizes=begins_with(ZIP),
    suffixes=("npz",),
    written_by="numpy.savez(path, inputs=inputs, labels=labels)",
)
def npz(content: bytes, asked: AskedItems) -> ItemArrays:
    """`inputs` or `images`, and `labels` if they are known; other arrays are not read."""
    from compress_core.loading.numpy_file import items_in_archive

    return items_in_archive(content, asked.caps)
