"""Tables with a row for each item, which say too what it is called in the file that it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from compress_core.subject.split import Split

ITEM, FILE_ITEM = "item", "file_item"


def with_file_items(table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """The table with a column file_item behind item; as it is where both are the same, or it has no items."""
    if split.numbers is None or ITEM not in table:
        return table
    behind, found = list(table.columns).index(ITEM) + 1, table.copy()
    found.insert(behind, FILE_ITEM, split.numbers[table[ITEM].to_numpy(np.int64)])
    return found
