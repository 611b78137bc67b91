"""Names that a file brought, as they may be shown: what turns, hides or moves text becomes its escape."""

from __future__ import annotations

from typing import TypeVar

Name = TypeVar("Name", bound=str)


def printable(name: Name) -> Name | str:
    """The name with every control, direction and invisible character written as Python writes it.

    A name without any stays the same object.
    """
    if name.isprintable():
        return name
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)
