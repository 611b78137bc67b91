"""The whole network as boxes in the order in which its layers run, as large as their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from compress_core.foundation.texts import N_
from dashboard.figures import palette
from dashboard.figures.click_targets import add_targets
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import in_bytes, percent, safe, safe_names, shortened, shortened_apart
from dashboard.text import _

HALF_WIDTH, TALLEST, LEAST, CEILING = 0.31, 0.66, 0.07, 0.86
MOST_NAMED_COLUMNS, NAME_LINE = 16, 13
ROW, HEAD_AND_FOOT = 100, 140
SHAPE = np.linspace(0, 1, 41)


class Treatment(StrEnum):
    """What can have been done to a layer."""

    PRUNED = N_("pruned")
    QUANTIZED = N_("quantized")
    FACTORED = N_("factored")
    CUT = N_("cut")
    LEFT_OUT = N_("left out")


MARKS: Mapping[Treatment, str] = {
    Treatment.PRUNED: "P",
    Treatment.QUANTIZED: "Q",
    Treatment.FACTORED: "F",
    Treatment.CUT: "C",
    Treatment.LEFT_OUT: "×",
}
UNTOUCHED, SEVERAL = N_("untouched"), N_("several of these")
COLORS: Mapping[str, str] = {
    Treatment.PRUNED: palette.OKABE_ITO[5],
    Treatment.QUANTIZED: palette.OKABE_ITO[3],
    Treatment.FACTORED: palette.OKABE_ITO[2],
    Treatment.CUT: palette.OKABE_ITO[4],
    Treatment.LEFT_OUT: palette.CLEAR,
    SEVERAL: palette.OKABE_ITO[6],
}


@dataclass(frozen=True)
class LayerBox:
    """One layer: its bytes as loaded and now, what was done to it, how many layers lie before it.

    reads: layers whose outputs go into it; passes: the layer whose input goes into it as well, if any.
    """

    name: str
    before: int
    after: int
    done: tuple[Treatment, ...] = ()
    column: int = 0
    reads: tuple[str, ...] = ()
    passes: str | None = None

    @property
    def kind(self) -> str:
        """The one word under which it stands in the legend."""
        return UNTOUCHED if not self.done else self.done[0] if len(self.done) == 1 else SEVERAL

    @property
    def mark(self) -> str:
        """A letter for each thing that was done."""
        return "".join(MARKS[one] for one in self.done)


@dataclass(frozen=True)
class _Place:
    box: LayerBox
    x: float
    y: float
    height: float

    @property
    def filled(self) -> float:
        """How high it is filled: the share of its bytes that is left, as high as there is room."""
        return min(CEILING, self.height * self.box.after / max(1, self.box.before))

    def outline(self, height: float, pad: float = 0.0) -> tuple[list[float], list[float]]:
        """The corners of a box that stands on this one's foot."""
        left, right = self.x - HALF_WIDTH - pad, self.x + HALF_WIDTH + pad
        low, high = self.y - self.height / 2 - pad, self.y - self.height / 2 + height + pad
        return [left, left, right, right, left], [low, high, high, low, low]


def network_diagram(boxes: Sequence[LayerBox], selected: str, *, dark: bool = False) -> Drawn:
    """Boxes as high as the bytes of their layers, filled up to what is left; a click carries a box's index.

    boxes in the order in which they run. Layers that read the same stand one below the other; an arc leads
    past the layers that a residual connection goes around.
    """
    places = _places(boxes)
    colors = palette.ink(dark=dark)
    figure = go.Figure()
    rows = round(-min((place.y for place in places), default=0)) + 1
    _draw_ways(figure, places, colors)
    _draw_boxes(figure, places, colors)
    _draw_names(figure, places, selected, colors)
    _draw_targets(figure, places)
    columns = max((place.x for place in places), default=0)
    figure.update_xaxes(range=[-0.7, max(columns, 3) + 0.7], fixedrange=True, showline=False, ticks="")
    figure.update_yaxes(visible=False, range=[-rows + 0.3, 0.95], fixedrange=True)
    palette.style(
        figure,
        dark=dark,
        title=_title(boxes),
        subtitle=_("Height: bytes as loaded; filled: what is left of them. A click selects a layer"),
        legend=True,
        height=HEAD_AND_FOOT + ROW * rows,
    )
    return Drawn(figure, _alternative(boxes), _table(boxes))


def _places(boxes: Sequence[LayerBox]) -> list[_Place]:
    """A column for each depth; within it a layer stands as high as what it reads, or on the next free row."""
    largest = max((box.before for box in boxes), default=0) or 1
    row: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    places = []
    for box in boxes:
        at = min((row[name] for name in box.reads if name in row), default=0)
        while (box.column, at) in taken:
            at += 1
        taken.add((box.column, at))
        row[box.name] = at
        height = max(LEAST, TALLEST * box.before / largest)
        places.append(_Place(box, float(box.column), -float(at), height))
    return places


def _draw_ways(figure: go.Figure, places: Sequence[_Place], colors: Ink) -> None:
    """Who reads whom, and the arcs that lead around layers."""
    by_name = {place.box.name: place for place in places}
    passes = {
        (by_name[p.box.passes].x, p.x) for p in places if p.box.passes is not None and p.box.passes in by_name
    }
    reads = [(by_name[n], p) for p in places for n in p.box.reads if n in by_name]
    _draw_lines(figure, [_hand_over(start, end) for start, end in reads], colors.muted, "solid")
    _draw_lines(figure, [_around(start, end) for start, end in sorted(passes)], colors.muted, "dot")


Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def _hand_over(start: _Place, end: _Place) -> Line:
    """An S from side to side; over the heads of what stands between in the same row."""
    ease = SHAPE * SHAPE * (3 - 2 * SHAPE)
    x = start.x + HALF_WIDTH + (end.x - start.x - 2 * HALF_WIDTH) * SHAPE
    over = 0.5 * (1 - (2 * SHAPE - 1) ** 8) if start.y == end.y and end.x - start.x > 1 else 0.0
    return x, start.y + (end.y - start.y) * ease + over


def _around(start: float, end: float) -> Line:
    """From before one column to before another, above the first row; wider arcs are higher."""
    x = start - 0.5 + (end - start) * SHAPE
    return x, min(0.85, 0.48 + 0.03 * (end - start)) * (1 - (2 * SHAPE - 1) ** 8)


def _draw_lines(figure: go.Figure, lines: Sequence[Line], color: str, dash: str) -> None:
    if not lines:
        return
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([[*x, np.nan] for x, _y in lines]),
            y=np.concatenate([[*y, np.nan] for _x, y in lines]),
            mode="lines",
            line={"color": color, "width": 1.3, "dash": dash},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _draw_boxes(figure: go.Figure, places: Sequence[_Place], colors: Ink) -> None:
    """The filled parts, one trace for each word of the legend; then all outlines as loaded."""
    fills = {UNTOUCHED: colors.neutral, **COLORS}
    for kind, color in fills.items():
        some = [place for place in places if place.box.kind == kind]
        if some:
            _draw_shapes(figure, [p.outline(p.filled) for p in some], colors.text, 0, color, _said(kind))
    _draw_shapes(figure, [p.outline(p.height) for p in places], colors.text, 1.2)


def _said(kind: str) -> str:
    """A word of the legend with its mark."""
    marks = [mark for treatment, mark in MARKS.items() if treatment == kind]
    return _("{mark}: {treatment}").format(mark=marks[0], treatment=_(kind)) if marks else _(kind)


def _draw_shapes(
    figure: go.Figure,
    shapes: Sequence[tuple[list[float], list[float]]],
    color: str,
    width: float,
    fill: str | None = None,
    name: str = "",
) -> None:
    figure.add_trace(
        go.Scatter(
            x=np.array([value for x, _y in shapes for value in (*x, np.nan)]),
            y=np.array([value for _x, y in shapes for value in (*y, np.nan)]),
            mode="lines",
            line={"color": color, "width": width},
            fill=None if fill is None else "toself",
            fillcolor=fill,
            name=name,
            hoverinfo="skip",
            showlegend=bool(name),
        )
    )


def _draw_names(figure: go.Figure, places: Sequence[_Place], selected: str, colors: Ink) -> None:
    """Marks above the boxes; names below them, or along the foot where there are too many columns."""
    chosen = [place for place in places if place.box.name == selected]
    _draw_shapes(figure, [p.outline(max(p.height, p.filled), 0.05) for p in chosen], colors.loss, 3)
    many = max((place.x for place in places), default=0) >= MOST_NAMED_COLUMNS
    feet = _feet(places)
    names = shortened_apart([place.box.name for place in places])
    # All at once: Plotly checks every annotation anew with each one that is added.
    figure.update_layout(
        annotations=[
            text
            for place, name in zip(places, names, strict=True)
            for text in _texts((place, name), feet[place.y], place in chosen, not many, colors.text)
        ]
    )
    first = [place for place in places if place.y == 0] if many else []
    figure.update_xaxes(
        tickvals=[place.x for place in first],
        ticktext=safe_names([place.box.name for place in first], 22),
        tickangle=-60,
        tickfont={"size": 10},
        showticklabels=many,
        showgrid=False,
    )


def _feet(places: Sequence[_Place]) -> dict[float, float]:
    """Where the names of each row begin: below its highest box, all on one line."""
    rows = {place.y for place in places}
    return {row: row - max(place.height for place in places if place.y == row) / 2 for row in rows}


def _texts(
    named: tuple[_Place, str], foot: float, is_chosen: bool, is_named: bool, color: str
) -> Iterator[dict[str, object]]:
    """The mark above a box, where it has one; at the foot of its row its name, bold where it is chosen."""
    place, called = named
    if place.box.mark:
        mark = f"<b>{place.box.mark}</b>"
        top = place.y - place.height / 2 + max(place.height, place.filled)
        yield _text(place.x, top, mark, color, "bottom")
    if is_named or is_chosen:
        name = "<br>".join(_lines(called))
        yield _text(place.x, foot, f"<b>{name}</b>" if is_chosen else name, color, "top")


def _text(x: float, y: float, text: str, color: str, anchor: str) -> dict[str, object]:
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "yanchor": anchor,
        "yshift": 3 if anchor == "bottom" else -4,
        "font": {"color": color, "size": palette.TEXT_SIZE - 2},
    }


def _lines(name: str) -> Iterator[str]:
    """A name broken behind its dots, as Plotly text."""
    line = ""
    for part in name.replace(".", ".\0").split("\0"):
        if line and len(line) + len(part) > NAME_LINE:
            yield safe(line)
            line = ""
        line += part
    yield safe(line)


def _draw_targets(figure: go.Figure, places: Sequence[_Place]) -> None:
    add_targets(
        figure,
        np.array([place.x for place in places]),
        np.array([place.y for place in places]),
        np.arange(len(places))[:, None],
        template="%{text}<extra></extra>",
        text=np.array([_hover(place.box) for place in places]),
    )


def _hover(box: LayerBox) -> str:
    return f"<b>{safe(box.name, 80)}</b><br>{_bytes(box)}<br>{_treatments(box)}"


def _bytes(box: LayerBox) -> str:
    if box.after == box.before:
        return in_bytes(box.before)
    return _("{before} → {after} ({share} left)").format(
        before=in_bytes(box.before),
        after=in_bytes(box.after),
        share=percent(box.after / max(1, box.before)),
    )


def _treatments(box: LayerBox) -> str:
    return ", ".join(_(one) for one in box.done or (UNTOUCHED,))


def _title(boxes: Sequence[LayerBox]) -> str:
    before, after = sum(box.before for box in boxes), sum(box.after for box in boxes)
    if before == after:
        return _("{count} layers, {bytes}").format(count=len(boxes), bytes=in_bytes(before))
    return _("{count} layers: {before} → {after}").format(
        count=len(boxes), before=in_bytes(before), after=in_bytes(after)
    )


def _alternative(boxes: Sequence[LayerBox]) -> str:
    if not boxes:
        return _("There is no layer to draw.")
    largest = max(boxes, key=lambda box: box.before)
    total = sum(box.before for box in boxes)
    said = [
        _("{count} layers in the order in which they run, from {first} to {last}.").format(
            count=len(boxes), first=shortened(boxes[0].name), last=shortened(boxes[-1].name)
        ),
        _("{name} is the largest as loaded: {bytes}, {share} of all.").format(
            name=shortened(largest.name),
            bytes=in_bytes(largest.before),
            share=percent(largest.before / max(1, total)),
        ),
    ]
    counts = {
        kind: sum(kind in (box.done or (UNTOUCHED,)) for box in boxes) for kind in (UNTOUCHED, *Treatment)
    }
    done = ", ".join(f"{_(kind)} {count}" for kind, count in counts.items() if count)
    said.append(_("What was done, by number of layers: {done}.").format(done=done))
    return " ".join(said)


def _table(boxes: Sequence[LayerBox]) -> pd.DataFrame:
    """One row for each layer in the order in which they run."""
    return pd.DataFrame(
        {
            "layer": [box.name for box in boxes],
            "bytes_before": [box.before for box in boxes],
            "bytes": [box.after for box in boxes],
            "done": [" ".join(box.done) for box in boxes],
            "depth": [box.column for box in boxes],
            "reads": [" ".join(box.reads) for box in boxes],
            "goes_around": [box.passes or "" for box in boxes],
        }
    )
