"""Whether what a person names is there: a name that is written wrongly locks nothing without a word."""

from __future__ import annotations

from collections.abc import Iterable

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.near_names import near_names


def refuse_unknown(named: Iterable[str], parent: Model) -> None:
    """Raises Refused where a layer or group is named that the model does not have."""
    known = list(parent.base.by_name)
    for name in named:
        if name not in known:
            raise Refused(
                "No layer or group is called {name!r}: {hint}. slimscope layers lists them.",
                name=name,
                hint=near_names(name, known),
            )
