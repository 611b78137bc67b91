"""Which model came from which: the tree of all that was done to the model as loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import palette
from dashboard.figures.click_targets import compact
from dashboard.figures.drawn import Drawn
from dashboard.figures.measures import Measure
from dashboard.figures.palette import Ink
from dashboard.figures.words import counted_models, hover, safe, shortened
from dashboard.text import _

ROW_PX, LEAST_PX, FRAME_PX = 24, 150, 110
MOST_MODELS = 60


@dataclass(frozen=True)
class TreeNode:
    """Where a model stands: how many operations after the one as loaded, and in which row of the picture."""

    row: int
    depth: int
    height: float
    parent: int | None


def placed(models: pd.DataFrame) -> tuple[TreeNode, ...]:
    """A place for each model (columns key, parent): children below one another, parents in their middle.

    A parent that the table does not hold is passed over: its child begins a tree of its own.
    """
    at = {key: row for row, key in enumerate(models["key"])}
    parents = [at.get(parent) for parent in models["parent"]]
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for row, parent in enumerate(parents):
        children[parent].append(row)
    depths, heights = [0] * len(parents), [0.0] * len(parents)
    leaves = 0
    waiting = [(row, 0, False) for row in reversed(children[None])]
    while waiting:  # no recursion: a lineage may be long
        row, depth, is_done = waiting.pop()
        depths[row] = depth
        if is_done:
            heights[row] = float(np.mean([heights[child] for child in children[row]]))
        elif not children[row]:
            heights[row], leaves = float(leaves), leaves + 1
        else:
            waiting.append((row, depth, True))
            waiting.extend((child, depth + 1, False) for child in reversed(children[row]))
    return tuple(TreeNode(row, depths[row], heights[row], parents[row]) for row in range(len(parents)))


def newest_with_ancestors(models: pd.DataFrame, most: int = MOST_MODELS) -> pd.DataFrame:
    """The newest models (columns key, parent, time) and all that they came from, in their order."""
    parents = dict(zip(models["key"], models["parent"], strict=True))
    kept: set[str] = set()
    for newest in models.sort_values("time", kind="stable")["key"].tail(most):
        at = newest
        while at in parents and at not in kept:
            kept.add(at)
            at = parents[at]
    return models[models["key"].isin(kept)].reset_index(drop=True)


def lineage_tree(
    models: pd.DataFrame,
    measure: Measure,
    *,
    letters: Mapping[str, str] | None = None,
    said: Sequence[str] | None = None,
    here: str = "",
    dark: bool = False,
) -> Drawn:
    """From left to right what was done; the color of a model says how it stands by a measure.

    models: key, parent, label, what (the operation in words) and the measure. Clicks carry the row.
    said: the operations as a page calls them, where that differs.
    """
    colors = palette.ink(dark=dark)
    nodes = placed(models)
    figure = go.Figure()
    _add_edges(figure, nodes, colors)
    values = measure.of(models)
    keys = models["key"].to_numpy()
    figure.add_trace(
        go.Scatter(
            x=np.array([node.depth for node in nodes], np.float64),
            y=np.array([node.height for node in nodes]),
            mode="markers+text",
            text=np.array(list(_labels(models, letters or {}))),
            textposition="middle right",
            textfont={"color": colors.text},
            cliponaxis=False,
            marker={
                "size": 13,
                "symbol": np.where(np.isfinite(values), "circle", "circle-open"),
                "color": np.nan_to_num(values, nan=float(np.nanmin(values, initial=0))),
                "colorscale": palette.sequential(dark=dark),
                "colorbar": palette.color_bar(safe(measure.axis, 60)),
                "showscale": bool(np.isfinite(values).any()),
                "line": {
                    "width": np.where(keys == here, 3, 1),
                    "color": np.where(keys == here, colors.before, colors.muted),
                },
            },
            selected={"marker": {"opacity": 1.0}},
            unselected={"marker": {"opacity": 1.0}},
            customdata=compact(np.arange(len(nodes))[:, None]),
            hovertext=np.array(list(_hovers(models, measure, models["what"] if said is None else said))),
            hovertemplate=hover(("", "%{hovertext}")).replace(": ", "", 1),
            showlegend=False,
        )
    )
    steps = max((node.depth for node in nodes), default=0)
    rows = max((node.height for node in nodes), default=0.0)
    figure.update_xaxes(
        title_text=_("operations since the model as loaded"),
        dtick=1,
        range=[-0.15, steps + 0.9],
        showgrid=False,
    )
    figure.update_yaxes(visible=False, range=[rows + 0.7, -0.7])
    figure.update_layout(hovermode="closest", clickmode="event+select", dragmode="pan")
    palette.style(
        figure,
        dark=dark,
        title=_title(nodes),
        subtitle=_("Color: {measure}; open circles are not measured").format(measure=safe(measure.axis, 60)),
        height=max(LEAST_PX, round(ROW_PX * (rows + 1))) + FRAME_PX,
    )
    return Drawn(figure, _alternative(models, nodes), _table(models, nodes, measure))


def _add_edges(figure: go.Figure, nodes: Sequence[TreeNode], colors: Ink) -> None:
    ends = [(nodes[node.parent], node) for node in nodes if node.parent is not None]
    x = [place for parent, node in ends for place in (parent.depth, node.depth, np.nan)]
    y = [place for parent, node in ends for place in (parent.height, node.height, np.nan)]
    figure.add_trace(
        go.Scatter(
            x=np.array(x, np.float64),
            y=np.array(y, np.float64),
            mode="lines",
            line={"color": colors.neutral, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _labels(models: pd.DataFrame, letters: Mapping[str, str]) -> Iterator[str]:
    for key, label in zip(models["key"], models["label"], strict=True):
        letter = letters.get(key)
        yield f"  <b>{letter}</b> {safe(str(label), 28)}" if letter else f"  {safe(str(label), 28)}"


def _hovers(models: pd.DataFrame, measure: Measure, said: Iterable[str]) -> Iterator[str]:
    rows = zip(models["label"], said, measure.of(models), strict=True)
    for label, what, value in rows:
        number = f"{safe(_(measure.title))}: {measure.said(value)}"
        yield f"<b>{safe(str(label), 60)}</b><br>{safe(str(what), 90)}<br>{number}"


def _title(nodes: Sequence[TreeNode]) -> str:
    depth = max((node.depth for node in nodes), default=0)
    return _("{models}; operations on the longest way from the one as loaded: {depth}").format(
        models=counted_models(len(nodes)), depth=depth
    )


def _alternative(models: pd.DataFrame, nodes: Sequence[TreeNode]) -> str:
    made = [node for node in nodes if node.parent is not None]
    labels = [str(label) for label in models["label"]]
    told = [f"{shortened(labels[node.row])} ← {shortened(labels[node.parent or 0])}" for node in made[:5]]
    return _("A tree of {models}: {edges}.").format(
        models=counted_models(len(nodes)), edges=", ".join(told) or "–"
    )


def _table(models: pd.DataFrame, nodes: Sequence[TreeNode], measure: Measure) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": models["key"].to_numpy(),
            "parent": models["parent"].to_numpy(),
            "label": models["label"].to_numpy(),
            "operation": models["what"].to_numpy(),
            "operations_since_loaded": [node.depth for node in nodes],
            measure.name: measure.of(models),
        }
    )
