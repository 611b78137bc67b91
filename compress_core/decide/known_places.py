"""Whether what a person names is there: a name that is written wrongly locks nothing without a word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused


def refuse_unknown(named: Iterable[str], parent: Model) -> None:
    """Raises Refused where a layer or group is named that the model does not have."""
    known = list(parent.base.by_name)
    for name in named:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = ", ".join(close or known[:3])
            raise Refused(
                "No layer or group is called {name!r}: did you mean {hint}? slimscope layers lists them.",
                name=name,
                hint=hint,
            )
