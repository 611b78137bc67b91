"""What a model can be written as: a function that writes it, declared once in its own file. Needs no torch.

Pages and the command line say what there is before anything is written, so a file in `export_formats`
imports what writes only when there is something to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused
from compress_core.foundation.one_file_each import OneFileEach

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.predictions import Predictions
    from compress_core.measure.cost.sizes import SizeRow
    from compress_core.subject.split import Split

PACKED, SOURCE = "packed", "source"
"""The smallest, whose bytes stand beside those of every other way; what is written unless one is named."""


@dataclass(frozen=True, eq=False)
class Written:
    """The files of a model by name, and what they answer on a split where they run.

    left: layers that stay in 32 bits, with the reason; sizes: every way to count bytes, where it is known.
    """

    files: Mapping[str, bytes]
    answers: Callable[[Split], Predictions]
    left: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sizes: tuple[SizeRow, ...] = ()


@dataclass(frozen=True)
class ExportFormat:
    """A format to take away: what is in it, what it needs, and how the file's name ends.

    brief says it in a few words, for the command line; write(model) raises Refused where it cannot be done.
    """

    name: str
    title: str
    what: str
    needs: str
    ending: str
    brief: str
    order: int
    write: Callable[[Model], Written]


_FILES: OneFileEach[ExportFormat] = OneFileEach(
    "compress_core.deliver.export_formats", lambda format_: (format_.order, format_.name)
)


def export_format(
    *, title: str, what: str, needs: str, ending: str, brief: str, order: int
) -> Callable[[Callable[[Model], Written]], Callable[[Model], Written]]:
    """Register a function of a model as a format to take away; it stays a function."""

    def register(write: Callable[[Model], Written]) -> Callable[[Model], Written]:
        name = getattr(write, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
        declared = ExportFormat(name, title, what, needs, ending, brief, order, write)
        _FILES.declare(write.__module__, name, declared)
        return write

    return register


def export_formats() -> Mapping[str, ExportFormat]:
    """Every format to take away by name, in the order that their files declare."""
    return _FILES.found()


def export_format_named(name: str) -> ExportFormat:
    """The format of that name; raises Refused with those there are."""
    known = export_formats()
    if name not in known:
        raise Refused(
            "A model is not exported to {to!r}; there are {known}: choose one.",
            to=name,
            known=", ".join(known),
        )
    return known[name]
