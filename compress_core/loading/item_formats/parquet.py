"""A table in columns, as pandas and pyarrow write it."""

from __future__ import annotations

from compress_core.loading.file_format import AskedItems, ItemArrays, begins_with, item_format


@item_format(
    title=".parquet",
    order=4,
    recognizes=begins_with(b"PAR1"),
    suffixes=("parquet",),
    written_by="pandas.DataFrame.to_parquet(path)",
    needs=("compress_core.loading.parquet_table",),
)
def parquet(content: bytes, asked: AskedItems) -> ItemArrays:
    """A row for each item: numbers, and one column with its label."""
    from compress_core.loading.parquet_table import items_in_parquet

    return items_in_parquet(content, asked)
