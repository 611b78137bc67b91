"""Networks by name from the registries of torchvision and timm: which there are, and what is told of them.

Both are extras that may not be installed. Names are those of the library's own list, numbers are bounded, and
nothing is ever fetched: networks are built without weights.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import some_of

MOST_CLASSES = 100_000
MOST_PIXELS = 2048
_NOT_TO_IMPORT = (ImportError, RuntimeError, OSError, AttributeError)


def imported(package: str) -> ModuleType:
    """A package that is an extra; raises Refused where it is not installed, or does not fit this torch."""
    try:
        return importlib.import_module(package)
    except _NOT_TO_IMPORT as error:
        raise Refused(
            "{package} cannot be imported ({reason}): install it for this torch, with pip install "
            "'slimscope[{package}]'.",
            package=package.partition(".")[0],
            reason=f"{type(error).__name__}: {shown(' '.join(str(error).split()))}",
        ) from None


def checked_network_name(name: object, names: Sequence[str], package: str) -> str:
    """A name that stands in the library's list; raises Refused with names that are near."""
    if isinstance(name, str) and name in names:
        return name
    near = difflib.get_close_matches(str(name)[:100], names, n=3) or list(names[:3])
    raise Refused(
        "{package} has no classifier {name!r}; it has {count:,}, such as {near}: correct the name.",
        package=package,
        name=shown(str(name)),
        count=len(names),
        near=some_of(near),
    )


def bounded_number(told: Mapping[str, Any], name: str, most: int) -> int | None:
    """A whole number that a network is built by; None where it is left to the library. Raises Refused."""
    value = told.get(name)
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= most:
        raise Refused(
            "The network is told {name}={got}, but that is a whole number from 1 to {most:,}: correct it.",
            name=name,
            got=shown(str(value)[:50]),
            most=most,
        )
    return value
