"""What shrinks together, drawn as a graph: who makes the channels, what they pass, who reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import palette
from dashboard.figures.contrast import legible
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, safe, safe_names, whole
from dashboard.text import _

COLUMN: Mapping[str, int] = {"producer": 0, "between": 1, "consumer": 2}
MOST_IN_A_COLUMN = 24
ROW, HEAD_AND_FOOT, LONGEST = 30, 110, 26


@dataclass(frozen=True)
class Node:
    """One module that a group cuts: its name, what it does with the channels, how many it has, and keeps."""

    module: str
    role: str
    width: int
    kept: int


@dataclass(frozen=True)
class _Place:
    node: Node
    x: float
    y: float


def coupling(
    group: str, nodes: Sequence[Node], edges: Sequence[tuple[str, str]], *, dark: bool = False
) -> Drawn:
    """The modules of a group in three columns, with a line for each hand-over of channels.

    nodes in the order of the network; edges (from, to) by module. A long column is cut off and says so.
    """
    places, left_out = _places(nodes)
    colors = palette.ink(dark=dark)
    figure = go.Figure()
    _draw_edges(figure, places, edges, colors)
    _join_partners(figure, places, colors)
    for role in COLUMN:
        _draw_nodes(figure, [place for place in places if place.node.role == role], role, colors)
    height = max((-place.y for place in places), default=0) + 1 + bool(left_out)
    for role, count in left_out.items():
        _say_rest(figure, COLUMN[role], -height + 1, count, colors)
    figure.update_xaxes(visible=False, range=[-0.62, 2.62], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-height + 0.4, 1.1], fixedrange=True)
    palette.style(
        figure,
        dark=dark,
        title=_("What shrinks with {group}").format(group=safe(group)),
        subtitle=_subtitle(nodes),
        height=round(HEAD_AND_FOOT + ROW * height),
    )
    figure.layout.margin.b = 10  # no axis has words at the foot
    return Drawn(figure, _alternative(group, nodes), _table(nodes, edges))


def _places(nodes: Sequence[Node]) -> tuple[list[_Place], dict[str, int]]:
    """Where the modules stand, each column centered; how many of a column are left out."""
    columns = {role: [node for node in nodes if node.role == role] for role in COLUMN}
    left_out = {
        role: len(column) - MOST_IN_A_COLUMN
        for role, column in columns.items()
        if len(column) > MOST_IN_A_COLUMN
    }
    shown = {role: column[:MOST_IN_A_COLUMN] for role, column in columns.items()}
    tallest = max(map(len, shown.values()), default=0)
    places = [
        _Place(node, COLUMN[role], -(index + (tallest - len(column)) / 2))
        for role, column in shown.items()
        for index, node in enumerate(column)
    ]
    return places, left_out


def _draw_edges(
    figure: go.Figure, places: Sequence[_Place], edges: Sequence[tuple[str, str]], colors: Ink
) -> None:
    """All hand-overs as one trace of S-shaped lines; one within a column bends outwards."""
    ends = {place.node.module: place for place in places}
    starts = {place.node.module: place for place in reversed(places)}
    steps = np.linspace(0, 1, 13)
    ease = steps * steps * (3 - 2 * steps)
    xs, ys = [], []
    for start, end in edges:
        if start in starts and end in ends and start != end:
            one, other = starts[start], ends[end]
            bend = 0.32 * np.sin(np.pi * steps) if one.x == other.x else 0
            xs += [*(one.x + (other.x - one.x) * steps + bend), np.nan]
            ys += [*(one.y + (other.y - one.y) * ease), np.nan]
    line = {"color": colors.muted, "width": 1.2}
    figure.add_trace(
        go.Scatter(x=xs, y=ys, mode="lines", line=line, opacity=0.7, hoverinfo="skip", showlegend=False)
    )


def _join_partners(figure: go.Figure, places: Sequence[_Place], colors: Ink) -> None:
    """A bracket beside producers whose outputs are added: they lose the same channels."""
    levels = [place.y for place in places if place.node.role == "producer"]
    if len(levels) < 2:
        return
    top, bottom = max(levels), min(levels)
    x = [-0.5, -0.56, -0.56, -0.5]
    line = {"color": colors.before, "width": 2}
    figure.add_trace(
        go.Scatter(
            x=x, y=[top, top, bottom, bottom], mode="lines", line=line, hoverinfo="skip", showlegend=False
        )
    )


def _draw_nodes(figure: go.Figure, places: Sequence[_Place], role: str, colors: Ink) -> None:
    color = {"producer": colors.before, "between": colors.muted, "consumer": colors.after}[role]
    titles = {"producer": _("makes them"), "between": _("passes them on"), "consumer": _("reads them")}
    if not places:
        return
    figure.add_annotation(
        x=COLUMN[role],
        y=0.95,
        text=f"<b>{titles[role]}</b>",
        showarrow=False,
        font={"color": legible(color, colors.page, colors.text), "size": palette.TEXT_SIZE},
    )
    names = safe_names([place.node.module for place in places], LONGEST)
    for place, name in zip(places, names, strict=True):
        figure.add_annotation(
            x=place.x,
            y=place.y,
            text=_box_text(place.node, name),
            showarrow=False,
            bgcolor=colors.surface,
            bordercolor=color,
            borderwidth=1.4,
            borderpad=3,
            font={"color": colors.text, "size": palette.TEXT_SIZE - 1},
            hovertext=safe(place.node.module, 80),
        )
    figure.add_trace(
        go.Scatter(
            x=[place.x for place in places],
            y=[place.y for place in places],
            mode="markers",
            marker={"color": color, "size": 1},
            text=[safe(place.node.module, 80) for place in places],
            customdata=[[place.node.kept, place.node.width] for place in places],
            hovertemplate=hover(
                (_("channels"), "%{customdata[1]}"), (_("left"), "%{customdata[0]}"), heading="%{text}"
            ),
            showlegend=False,
        )
    )


def _box_text(node: Node, name: str) -> str:
    count = whole(node.width) if node.kept == node.width else f"{whole(node.width)} → {whole(node.kept)}"
    return f"{name}  <span style='font-size:11px'>{count}</span>"


def _say_rest(figure: go.Figure, x: float, y: float, count: int, colors: Ink) -> None:
    text = _("and {count} more").format(count=count)
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"color": colors.muted})


def _subtitle(nodes: Sequence[Node]) -> str:
    if sum(node.role == "producer" for node in nodes) > 1:
        return _("Numbers are channels. The outputs of the joined modules are added or go together")
    return _("Numbers are channels: as they are, and what is left")


def _alternative(group: str, nodes: Sequence[Node]) -> str:
    if not nodes:
        return _("{group} has no modules to draw.").format(group=group)
    roles = {role: [node.module for node in nodes if node.role == role] for role in COLUMN}
    said = [
        _("Group {group}: {makers} make the channels.").format(group=group, makers=_listed(roles["producer"]))
    ]
    if roles["between"]:
        said.append(_("They pass through {names}.").format(names=_listed(roles["between"])))
    if roles["consumer"]:
        said.append(_("They are read by {names}.").format(names=_listed(roles["consumer"])))
    count = len({node.module for node in nodes})
    said.append(_("Taking out one channel makes all {count} modules smaller.").format(count=count))
    return " ".join(said)


def _listed(names: Sequence[str], most: int = 6) -> str:
    names = [name for name, _same in groupby(names)]
    said = ", ".join(names[:most])
    return (
        said
        if len(names) <= most
        else _("{names} and {count} more").format(names=said, count=len(names) - most)
    )


def _table(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """One row for each module, and to whom it hands its channels."""
    targets = {node.module: [end for start, end in edges if start == node.module] for node in nodes}
    return pd.DataFrame(
        {
            "module": [node.module for node in nodes],
            "role": [node.role for node in nodes],
            "channels": [node.width for node in nodes],
            "left": [node.kept for node in nodes],
            "hands_to": [" ".join(targets[node.module]) for node in nodes],
        }
    )
