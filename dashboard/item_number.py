"""Which item is meant: its number in the split, and that in the visitor's own file where it is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.figures.words import item_words
from dashboard.text import _

if TYPE_CHECKING:
    import pandas as pd

    from compress_core.subject.split import Split


def number_of(split: Split, item: int) -> str:
    """The number of an item, as sentences and tables of a page say it."""
    return item_words(item, split.number_in_file(item))


def numbers_of(split: Split, items: pd.Series) -> dict[str, pd.Series]:
    """The columns of a table that say which items its rows are."""
    of_file = (
        {} if split.numbers is None else {_("item of the file"): split.numbers[items.to_numpy(np.int64)]}
    )
    return {_("item"): items, **of_file}


def say_number_in_file(split: Split, item: int) -> None:
    """Below a choice by the number in the split; nothing where the file has no other."""
    number = split.number_in_file(item)
    if number is not None:
        st.caption(
            _("Item {item} of the {split} split is item {number} of the file, counted from 0.").format(
                item=item, split=_(split.name), number=number
            )
        )
