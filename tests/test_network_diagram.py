"""The picture of the network: who reads whom is what one pass shows, and boxes are as large as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from torch import Tensor, nn

from compress_core.network.layer_graph import LayerGraph, layer_graph
from compress_core.network.layers.find import find_layers
from dashboard.figures.network_diagram import COLORS, LayerBox, Treatment, network_diagram
from tests.zoo_images import Concat, Residual, UNet
from tests.zoo_sequences import Attending


def graph_of(network: nn.Module, *shape: int) -> LayerGraph:
    """The graph of a network on zeros of a shape."""
    return layer_graph(network.eval(), find_layers(network)[0], torch.zeros(1, *shape))


class Branches(nn.Module):
    """Two linear layers beside each other, their answers added, then one more that also reads the first."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.left, self.right, self.first = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(self.left(x).relu() + self.right(x))


def test_layers_stand_in_the_order_of_the_pass_and_branches_beside_each_other() -> None:
    graph = graph_of(Branches(), 4)
    assert graph.order == ("first", "left", "right", "last")
    assert [graph.depth[name] for name in graph.order] == [0, 1, 1, 2]
    assert graph.reads["last"] == ("left", "right")
    assert not graph.passes


class Around(nn.Module):
    """A residual block: what the two layers read is added to what they make."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two, self.head = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.two(self.one(x).relu())
        return self.head(x.relu_())


def test_a_residual_connection_leads_around_its_block() -> None:
    graph = graph_of(Around(), 4)
    assert graph.passes == {"head": "one"}
    assert graph.reads["head"] == ("two",)


class Dense(nn.Module):
    """Each layer reads all that came before it, joined."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4 * n, 4) for n in (1, 1, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        made = [self.a(x)]
        for layer in (self.b, self.c, self.d):
            made.append(layer(torch.cat(made, dim=1)))
        return made[-1]


def test_joined_outputs_pass_by_each_layer_in_turn() -> None:
    graph = graph_of(Dense(), 4)
    assert graph.passes == {"c": "b", "d": "c"}
    assert [graph.reads[name] for name in graph.order] == [(), ("a",), ("b",), ("c",)]


class Last(nn.Module):
    """The last state of an LSTM's answer."""

    def forward(self, answer: tuple[Tensor, object]) -> Tensor:
        return answer[0][:, -1]


class Twice(nn.Module):
    """One layer that runs twice, another in between."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.between = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.shared(self.between(self.shared(x)))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (Residual(), (3, 16, 16)),
        (Concat(), (3, 16, 16)),
        (UNet(), (3, 16, 16)),
        (Attending(), (5, 4)),
        (nn.Sequential(nn.Linear(6, 6), nn.LSTM(6, 8, batch_first=True), Last(), nn.Linear(8, 3)), (5, 6)),
        (Twice(), (4,)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_nobody_reads_a_later_layer_and_every_layer_has_a_place(network: nn.Module, shape: Any) -> None:
    graph = graph_of(network, *shape)
    assert set(graph.order) == set(graph.depth) == set(graph.reads)
    for name in graph.order:
        assert all(graph.depth[other] < graph.depth[name] for other in graph.reads[name])
    assert any(graph.reads.values())


def test_the_projections_of_attention_stand_side_by_side_and_are_read_together() -> None:
    graph = graph_of(Attending(), 5, 4)
    inner = [name for name in graph.order if name.startswith("attention")]
    assert len(inner) >= 2
    assert {graph.depth[name] for name in inner} == {1}
    assert set(graph.reads["head"]) == set(inner)


# ---------------------------------------------------------------- the figure

CHAIN = [
    LayerBox("a", 1000, 500, (Treatment.PRUNED,), 0),
    LayerBox("b", 2000, 2000, (), 1, ("a",)),
    LayerBox("c", 2000, 250, (Treatment.PRUNED, Treatment.QUANTIZED), 1, ("a",)),
    LayerBox("d", 500, 0, (Treatment.LEFT_OUT,), 2, ("b", "c"), "b"),
]


def heights(trace: go.Scatter) -> list[float]:
    """How high each box of a trace is."""
    corners = np.asarray(trace.y, dtype=float).reshape(-1, 6)[:, :5]
    return [float(height) for height in corners.max(axis=1) - corners.min(axis=1)]


def boxes(figure: go.Figure) -> dict[str, go.Scatter]:
    """The filled parts by the word of the legend."""
    return {trace.name: trace for trace in figure.data if trace.fill == "toself"}


def outlines(figure: go.Figure) -> go.Scatter:
    """The boxes as loaded."""
    return next(trace for trace in figure.data if trace.line.width == 1.2)


def test_boxes_are_as_high_as_bytes_and_filled_up_to_what_is_left() -> None:
    figure = network_diagram(CHAIN, "b").figure
    a, b, c, d = heights(outlines(figure))
    assert [b / a, c / a, d / a] == pytest.approx([2, 2, 0.5])
    filled = boxes(figure)
    assert heights(filled["P: pruned"])[0] == pytest.approx(a / 2)
    assert heights(filled["untouched"])[0] == pytest.approx(b)
    assert heights(filled["several of these"])[0] == pytest.approx(c / 8)
    assert heights(filled["×: left out"]) == [0]


def test_a_layer_too_small_to_see_is_drawn_larger_with_the_same_share_filled() -> None:
    figure = network_diagram([LayerBox("a", 10**9, 10**9), LayerBox("b", 100, 25, (Treatment.CUT,), 1)], "a")
    tiny = heights(outlines(figure.figure))[1]
    assert tiny > 0.05
    assert heights(boxes(figure.figure)["C: cut"])[0] == pytest.approx(tiny / 4)


def test_layers_at_one_depth_never_lie_on_each_other() -> None:
    targets = network_diagram(CHAIN, "b").figure.data[-1]
    assert len(set(zip(targets.x, targets.y, strict=True))) == len(CHAIN)
    assert [int(row[0]) for row in targets.customdata] == [0, 1, 2, 3]


def test_what_was_done_is_said_by_marks_too_and_in_words() -> None:
    drawn = network_diagram(CHAIN, "b")
    written = [a.text for a in drawn.figure.layout.annotations]
    assert {"<b>P</b>", "<b>PQ</b>", "<b>×</b>", "<b>b</b>"} <= set(written)
    assert "untouched 1, pruned 2, quantized 1, left out 1" in drawn.alternative
    assert "b is the largest as loaded: 2.0 KiB" in drawn.alternative
    assert drawn.table["done"].tolist() == ["pruned", "", "pruned quantized", "left out"]


def test_every_treatment_has_a_color_of_its_own() -> None:
    assert len(set(COLORS.values())) == len(COLORS) == len(Treatment) + 1


def test_the_names_of_a_row_stand_on_one_line_however_high_its_boxes_are() -> None:
    texts = network_diagram(CHAIN, "b").figure.layout.annotations
    foot = {text.text.removeprefix("<b>")[0]: text.y for text in texts if text.yanchor == "top"}
    assert foot["a"] == foot["b"] == foot["d"], "b is four times as high as d"
    assert foot["c"] < foot["a"], "in the row below"
