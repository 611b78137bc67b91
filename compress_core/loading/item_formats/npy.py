"""One array, as numpy.save writes it."""

from __future__ import annotations

from compress_core.loading.file_format import AskedItems, ItemArrays, begins_with, item_format


@item_format(
    title=".npy",
    order=3,
    recognizes=begins_with(b"\x93NUMPY"),
    suffixes=("npy",),
    written_by="numpy.save(path, inputs)",
)
def npy(content: bytes, asked: AskedItems) -> ItemArrays:
    """The inputs alone."""
    from compress_core.loading.numpy_file import read_array

    return ItemArrays(read_array(content, "inputs", asked.caps))
