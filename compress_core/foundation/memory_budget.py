"""How much memory the values of one pass may take: what SLIMSCOPE_MEMORY says, else a gigabyte."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from compress_core.foundation.errors import Refused, shortened

VARIABLE = "SLIMSCOPE_MEMORY"
DEFAULT = 2**30
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


def memory_budget(environment: Mapping[str, str] = os.environ) -> int:
    """Bytes that the activations of one pass may take together; weights and items are not in it.

    Raises Refused where the variable is no positive size.
    """
    said = environment.get(VARIABLE, "").strip()
    if not said:
        return DEFAULT
    found = _FORM.fullmatch(said)
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size < 1:
        raise Refused(
            "{variable} must be a size such as 2GB, 512MB or 1000000000, got {said}: correct it or unset it.",
            variable=VARIABLE,
            said=shortened(said),
        )
    return size


def as_size(count: float) -> str:
    """Bytes as a person reads them, in powers of 1024."""
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GB"


def rows_within_budget(bytes_each: int, most: int, budget: int) -> int:
    """How many items go through together: as many as fit into the budget, at most `most`.

    Raises Refused where a single one does not fit.
    """
    if bytes_each > budget:
        raise Refused(
            "One item needs {need} for the values between the layers, and the memory budget is {budget}: "
            "raise {variable}, or take smaller items.",
            need=as_size(bytes_each),
            budget=as_size(budget),
            variable=VARIABLE,
        )
    return min(most, budget // max(1, bytes_each))
