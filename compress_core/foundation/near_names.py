"""Did you mean: what to say where a name is not among those that are known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from compress_core.foundation.texts import Phrase

MOST_LISTED = 60


def near_names(name: str, known: Iterable[str]) -> Phrase:
    """The known name that is nearest, whatever its case; where none is near, those that there are.

    Part of a sentence: 'did you mean magnitude', 'choose one of fc1, fc2'.
    """
    names = list(known)
    by_case = {each.casefold(): each for each in reversed(names)}
    near = difflib.get_close_matches(name.casefold(), by_case, n=1)
    if near:
        return Phrase("did you mean {near}", near=by_case[near[0]])
    more = "" if len(names) <= MOST_LISTED else ", …"
    return Phrase("choose one of {known}", known=", ".join(names[:MOST_LISTED]) + more)
