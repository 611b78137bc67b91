"""Whose compression made an item flip: one layer at a time is put back, everything else stays as it is."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.apply.lineage import Compress
from compress_core.apply.model import Model
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store, digest
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import predict, predicted_once
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Bools, Floats
from compress_core.subject.split import Split

Value = TypeVar("Value")
TOGETHER_MOST = 64  # items at once, whose layers are put back one after the other


@dataclass(frozen=True, eq=False)
class RestoredLayers:
    """What each item would be answered if one layer had not been compressed.

    items [n] of a split; layers [m] in forward order; predicted [m, n] with that layer put back; confidence
    [m, n] in the original's class, before and after [n] the same of the original and of the model;
    class_before and class_after [n]. all_back [n]: with all of them put back, and what else was done left.
    """

    items: NDArray[np.int64]
    layers: tuple[str, ...]
    class_before: NDArray[np.int64]
    class_after: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: Floats
    before: Floats
    after: Floats
    all_back: NDArray[np.int64]

    @property
    def is_back(self) -> Bools:
        """Whether putting one layer back gives an item the original's class again [m, n]."""
        back: Bools = self.predicted == self.class_before
        return back

    def causes(self, place: int) -> tuple[str, ...]:
        """The layers that alone turn an item back, the one that makes the model surest of it first."""
        order = np.argsort(-self.confidence[:, place], kind="stable")
        return tuple(self.layers[layer] for layer in order if self.is_back[layer, place])

    def turned_back(self) -> Floats:
        """Of each layer, the share of the items that it alone turns back [m]."""
        shares: Floats = self.is_back.mean(axis=1)
        return shares


def with_layer_restored(model: Model, name: str) -> Model:
    """The model with weight and input rules of one layer as they were before; all others stay bit for bit.

    As they were: in the network that the latest recipe began with, after its preparations and cuts, whose
    channels stay removed; of a trained model, in the one that its compression began with.
    """
    return replace(
        model,
        compressed=_without(model.compressed, [name]),
        inputs=_without(model.inputs, [name]),
        key=digest("restored", model.key, name),
    )


def _without(by_name: Mapping[str, Value], names: Sequence[str]) -> Mapping[str, Value]:
    return MappingProxyType({name: value for name, value in by_name.items() if name not in names})


def changed_layers(model: Model) -> tuple[str, ...]:
    """What the latest operation changed, in forward order: of a recipe the layers it names, else all."""
    touched = {*model.compressed, *model.inputs}
    if isinstance(model.operation, Compress):
        touched &= set(model.operation.recipe.by_layer)
    return tuple(layer.name for layer in model.base.layers if layer.name in touched)


def restored_layers(
    model: Model, split: Split, items: NDArray[np.int64], store: Store
) -> Generator[Progress, None, RestoredLayers]:
    """Answer these items of a split once for each layer that is put back; yields how far it is.

    items [n]: usually such as changed their class, the first 64 at most. Raises Refused where the model is no
    classifier.
    """
    items = items[:TOGETHER_MOST]
    layers = changed_layers(model)
    part = _part(split, items)
    before, after = (predict(one, split, store) for one in (Model.original(model.subject), model))
    before.refuse_several_decisions()
    classes = before.predicted[items]
    found: list[Predictions] = []
    for place, name in enumerate(layers):
        yield Progress(place, len(layers) + 1, N_("putting back one layer after the other"))
        found.append(predicted_once(with_layer_restored(model, name), part, store))
    yield Progress(len(layers), len(layers) + 1, N_("putting back all of them"))
    everything = replace(
        model,
        compressed=_without(model.compressed, layers),
        inputs=_without(model.inputs, layers),
        key=digest("restored", model.key, *layers),
    )
    return RestoredLayers(
        items,
        layers,
        classes,
        after.predicted[items],
        _stacked([one.predicted for one in found], len(items), np.int64),
        _stacked([one.confidence_in(classes) for one in found], len(items), np.float64),
        before.confidence[items],
        after.confidence_in(before.predicted)[items],
        predicted_once(everything, part, store).predicted,
    )


def _stacked(rows: Sequence[np.ndarray], width: int, kind: type) -> np.ndarray:
    return np.stack(rows).astype(kind) if rows else np.zeros((0, width), dtype=kind)


def _part(split: Split, items: NDArray[np.int64]) -> Split:
    """Some items of a split, as a split of their own."""
    chosen = torch.from_numpy(items)
    labels = None if split.labels is None else split.labels[chosen]
    return Split(split.name, split.inputs[chosen], labels)
