"""Which subgroup each item belongs to, from a file that came later: a row for each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.reviews.item_csv import words_by_item
from compress_core.subject.split import Split

GROUP = "group"
_MOST_GROUPS, _LONGEST = 1000, 100


def read_groups(text: str, split: Split) -> NDArray[np.str_]:
    """The subgroup of each item [N] of a CSV file with the columns item and group, in the order of the split.

    file_item instead of item: the numbers in the file of all items.

    Raises Refused where an item is left out or is none of these, or has no group: whoever is left out would
    be a subgroup that nobody looks at.
    """
    items, said = len(split), words_by_item(text, GROUP, split)
    strange = next((item for item in said if item >= items), None)
    if strange is not None:
        raise Refused(
            "The groups name item {item}, but the {split} split has {items:,} items, counted from 0: give "
            "their groups, or number them as in the file that they came from, in a column file_item.",
            item=strange,
            split=Phrase(split.name),
            items=items,
        )
    absent = next((item for item in range(items) if not said.get(item)), None)
    if absent is not None:
        raise Refused(
            "The groups leave out {count:,} of {items:,} items, the first of them {item}: give each of them "
            "a group.",
            count=sum(not said.get(item) for item in range(items)),
            items=items,
            item=split.told(absent),
        )
    return told_apart([said[item] for item in range(items)])


def told_apart(groups: list[str]) -> NDArray[np.str_]:
    """The subgroup of each item [N]; raises Refused for too many of them, or names that are too long."""
    names = set(groups)
    if len(names) > _MOST_GROUPS or any(len(name) > _LONGEST for name in names):
        raise Refused(
            "There are {count:,} groups; at most {most:,} are told apart, with names of at most {longest} "
            "characters: merge or shorten some.",
            count=len(names),
            most=_MOST_GROUPS,
            longest=_LONGEST,
        )
    return np.array(groups, dtype=np.str_)
