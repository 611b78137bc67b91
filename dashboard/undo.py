"""Undo and redo: the way back and forth between the models that a visitor looked at."""

from __future__ import annotations

from dataclasses import replace

from dashboard.view import View


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
