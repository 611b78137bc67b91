"""The two sides of a module that channels pass, and a bare parameter that has channels of its own."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """OUT what a module gives (a norm has only this side), IN what it takes, OWN a bare parameter.

    Its words travel in files.
    """

    OUT = "out"
    IN = "in"
    OWN = "own"
