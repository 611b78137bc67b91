"""Undo and redo: the way back and forth between the models that a visitor looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage


def undone(view: View) -> View:
    """One step back; the same view where there is none."""
    if not view.past:
        return view
    return replace(
        view,
        lineage=view.past[-1],
        past=view.past[:-1],
        future=(view.lineage, *view.future),
        version=view.version + 1,
    )


def redone(view: View) -> View:
    """One undone step forward again."""
    if not view.future:
        return view
    return replace(
        view,
        lineage=view.future[0],
        past=(*view.past, view.lineage),
        future=view.future[1:],
        version=view.version + 1,
    )


def led_back(view: View, lineage: Lineage) -> View:
    """As many steps back, or forward, as lead to a model on the way that was gone; the shortest way.

    Where it is on neither way, a step of its own that can be undone, but that tries nothing new.
    """
    if lineage == view.lineage:
        return view
    back = view.past[::-1].index(lineage) + 1 if lineage in view.past else None
    forth = view.future.index(lineage) + 1 if lineage in view.future else None
    if back is None and forth is None:
        return replace(view.moved(lineage), trials=view.trials)
    step, count = (undone, back) if forth is None or (back is not None and back <= forth) else (redone, forth)
    for _ in range(count or 0):
        view = step(view)
    return view
