"""What is refused for the items says how they were read: a column may have been taken for the label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from compress_core.foundation.errors import Refused
from compress_core.loading.items import Items
from compress_core.subject.reading_remarks import in_a_row


@contextmanager
def telling_how_read(items: Items | None) -> Iterator[None]:
    """Add to a refusal how the rows of a table were read, where that was not said by whoever gave it."""
    try:
        yield
    except Refused as refused:
        raise with_how_read(refused, items) from None


def with_how_read(refused: Refused, items: Items | None) -> Refused:
    """The refusal, and behind it which column of a table was taken as the label."""
    said = () if items is None or items.inputs.ndim != 2 or items.fields else items.remarks.summary
    if not said or str(said[0]) in str(refused):
        return refused
    return Refused("{refused} {read}", refused=refused, read=in_a_row(said))
