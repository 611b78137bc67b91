"""The network as a picture: every layer a box as large as its bytes, colored by what was done to it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from compress_core.apply.model import Model
from compress_core.measure.cost.cost import layer_costs
from compress_core.network.layer_graph import LayerGraph, layer_graph
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard import engine, state
from dashboard.figures.drawn import Drawn, clicked
from dashboard.figures.network_diagram import LayerBox, Treatment, network_diagram
from dashboard.show import figure, is_dark, kept
from dashboard.view import View
from dashboard.weights.layer import points_of

STAGES = {
    Stage.PRUNE: Treatment.PRUNED,
    Stage.QUANTIZE: Treatment.QUANTIZED,
    Stage.FACTOR: Treatment.FACTORED,
}


def draw(view: View, model: Model) -> None:
    """The picture; a click on a box selects its layer everywhere on the page."""
    boxes = boxes_of(model)
    drawn = kept("network", f"{model.key}:{view.layer}", lambda: _drawn(boxes, view.layer))
    for point in points_of(figure(drawn, "tune.network", selectable=True))[:1]:
        place = clicked(point)
        if place and boxes[place[0]].name != view.layer:
            state.keep(replace(state.required(), layer=boxes[place[0]].name))
            st.rerun()


def _drawn(boxes: tuple[LayerBox, ...], selected: str) -> Drawn:
    return network_diagram(boxes, selected, dark=is_dark())


def boxes_of(model: Model) -> tuple[LayerBox, ...]:
    """A box for every layer as loaded, in the order in which they run."""
    graph = graph_of(model.subject)
    cost = {row.layer.name: row for row in layer_costs(model, engine.store())}
    return tuple(
        LayerBox(
            name,
            cost[name].bytes_before,
            cost[name].bytes,
            treatments_of(model, name),
            graph.depth[name],
            graph.reads[name],
            graph.passes.get(name),
        )
        for name in graph.order
    )


def graph_of(subject: Subject) -> LayerGraph:
    """How the layers hang together, watched once for each network."""
    return engine.store().get(
        f"layer graph:{subject.key}",
        lambda: layer_graph(subject.network, subject.layers, subject.input.baseline),
    )


def treatments_of(model: Model, name: str) -> tuple[Treatment, ...]:
    """What was done to a layer, the factors of a factored one included."""
    if name not in model.base.by_name:
        return (Treatment.LEFT_OUT,)
    is_cut = model.base.by_name[name].kernel_shape != model.subject.by_name[name].kernel_shape
    compressed = model.compressed.get(name)
    places = [name, *(part.name for part in compressed.small)] if compressed is not None else []
    stages = {step.stage for place in places for step in model.recipe.by_layer.get(place, ())}
    return (*([Treatment.CUT] if is_cut else []), *(said for s, said in STAGES.items() if s in stages))
