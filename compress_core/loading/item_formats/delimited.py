"""A table as text, with a comma, a semicolon or a tab between columns."""

from __future__ import annotations

from compress_core.loading.file_format import AskedItems, ItemArrays, item_format

_LOOKED_AT = 4096
_CONTROL = frozenset(range(32)) - {9, 10, 13}


def _is_table(content: bytes) -> bool:
    """Whether bytes begin as text with a separator in its first line."""
    head = content[:_LOOKED_AT]
    first = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    return any(sign in first for sign in (b",", b";", b"\t")) and not _CONTROL.intersection(head)


@item_format(
    title=".csv",
    order=9,
    recognizes=_is_table,
    suffixes=("csv", "tsv"),
    written_by="pandas.DataFrame.to_csv(path, index=False)",
)
def delimited(content: bytes, asked: AskedItems) -> ItemArrays:
    """A row for each item: numbers, and one column with its label."""
    from compress_core.loading.delimited_rows import items_in_rows

    return items_in_rows(content, asked)
