"""A running scan shows its points where it is watched: the page is drawn anew once enough of them are new."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import engine

if TYPE_CHECKING:
    from compress_core.jobs.info import Info

AT_ONCE = 0.25  # of what stands there: so much that is new is drawn at the next look
AT_THE_LATEST_S = 10.0  # after the last time, where anything is new: the last points of a pass are few


@dataclass(frozen=True)
class RowsToCome:
    """What a run of the page draws of the points on top of a model: how many there were, and when."""

    parent: str
    drawn: int
    at: float = field(default_factory=time.monotonic)

    @classmethod
    def now(cls, parent: str) -> RowsToCome:
        """What a run that begins now will find; to be asked before it looks."""
        return cls(parent, engine.workspace().scans.count(parent))

    def look(self, _info: Info) -> None:
        """Draws nothing; once enough is new, the page is drawn with it."""
        if self.is_worth_it(engine.workspace().scans.count(self.parent), time.monotonic()):
            st.rerun()

    def is_worth_it(self, known: int, now: float) -> bool:
        """Whether so many points are worth another run of the page: some twenty of a whole scan are."""
        new = known - self.drawn
        return new > 0 and (new >= AT_ONCE * self.drawn or now - self.at >= AT_THE_LATEST_S)
