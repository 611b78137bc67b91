"""The nodes of an ONNX graph, those inside branches and loops included, and the names that they read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any


def graphs_in(node: Any) -> Iterator[Any]:
    """The graphs that a node holds: the branches of a condition, the body of a loop."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def graphs_below(graph: Any) -> Iterator[Any]:
    """Every graph inside a graph, however deep."""
    for node in graph.node:
        for inner in graphs_in(node):
            yield inner
            yield from graphs_below(inner)


def names_read_by(node: Any) -> Iterator[str]:
    """What a node reads, by its inputs and from within the graphs that it holds."""
    yield from node.input
    for inner in graphs_in(node):
        for each in inner.node:
            yield from names_read_by(each)
        yield from (output.name for output in inner.output)


def names_read(graph: Any) -> Counter[str]:
    """How often each name is read by a node, by an inner graph or as an output."""
    read = Counter(name for node in graph.node for name in names_read_by(node))
    read.update(output.name for output in graph.output)
    return read
