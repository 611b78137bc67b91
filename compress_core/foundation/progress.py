"""How far a long piece of work has come: a page draws it, the command line prints it, a test iterates it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """One step of a long piece of work: done of total, and what is being done."""

    done: int
    total: int
    note: str

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.done / self.total if self.total else 1.0

    def said(self) -> Mapping[str, Any] | None:
        """What there is to show of this step beside how far it is, as plain JSON values; None for most."""
        return None


def result_of(work: Generator[Progress, None, Result]) -> Result:
    """Run the work to its end and hand back what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
