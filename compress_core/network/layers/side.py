"""The two sides of a module that channels pass, and what has channels of its own or counts them."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """OUT what a module gives (a norm has only this side), IN what it takes, OWN a bare parameter.

    NUMBER a whole number that a module holds, such as how many heads it has. Its words travel in files.
    """

    OUT = "out"
    IN = "in"
    OWN = "own"
    NUMBER = "number"

    @property
    def is_of_owner(self) -> bool:
        """Whether it is named by a module and a name within it, instead of a module alone."""
        return self in (Side.OWN, Side.NUMBER)
