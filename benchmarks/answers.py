"""Accuracy after one layer changed, exact, against running the whole network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.clock import Case, Side
from benchmarks.networks import Size, resnet50
from benchmarks.visitor import moved, sparsity_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.subject.subject import Subject


@dataclass(frozen=True)
class _Where:
    """A layer, and the goal that stands for its depth."""

    words: str
    layer: str
    goal: float | None


_LAYERS = (
    _Where("late", "layer4.2.conv2", 10),
    _Where("middle", "layer3.4.conv1", 3),
    _Where("half of all multiplications behind it", "layer3.0.conv2", None),
    _Where("first", "conv1", 1),
)


def cases(size: Size) -> Iterator[Case]:
    """A prune slider at four depths: new weights, network and the outputs on every item."""
    subject, store = resnet50(size), Store()
    for where in _LAYERS:
        yield _case(subject, store, where)


def _case(subject: Subject, store: Store, where: _Where) -> Case:
    split = subject.split("validation")

    def whole(sparsity: float) -> Tensor:
        network = moved(subject, store, [where.layer], "magnitude", sparsity=sparsity).network()
        return _outputs(network, split.inputs)

    def ours(sparsity: float) -> Tensor:
        model = moved(subject, store, [where.layer], "magnitude", sparsity=sparsity)
        return torch.from_numpy(predict(model, split, store).logits.copy())

    behind = _macs_behind(subject, where.layer)
    return Case(
        f"accuracy after {where.layer} changed ({where.words}, {behind:.0%} of the work left)",
        Side("the same with a full forward", whole, sparsity_of),
        Side("slimscope", ours, sparsity_of),
        torch.equal,
        where.goal,
    )


def _outputs(network: torch.nn.Module, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = network(inputs)
    return logits


def _macs_behind(subject: Subject, name: str) -> float:
    """Share of all multiplications in this layer and those after it, in module order."""
    counts = [(layer.name, layer.macs or 0) for layer in subject.layers]
    at = [layer for layer, _ in counts].index(name)
    return sum(macs for _, macs in counts[at:]) / sum(macs for _, macs in counts)
