"""What happens between the release of a slider and the new weights, as the pages do it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject

_LOWEST, _PLACES, _JUMP = 100, 800, 37  # a slider from 0.1 to 0.9 that jumps about


def sparsity_of(turn: int) -> float:
    """Another place of the prune slider at every turn."""
    return (_LOWEST + turn * _JUMP % _PLACES) / 1000


def moved(subject: Subject, store: Store, layers: Sequence[str], technique: str, **knobs: object) -> Model:
    """The model after a slider was let go: setting checked, recipe edited and resolved, steps carried out."""
    step = Step.of(technique, **knobs)
    recipe = with_step(ResolvedRecipe(()), layers, step.stage, step)
    return compress(subject, in_order(recipe, list(subject.by_name)), store)


def decode(model: Model, buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write the new weights of every edited layer into buffers that are kept from turn to turn."""
    for name, edited in model.compressed.items():
        edited.encoded[0].decode_into(buffers[name])
    return buffers


def weight_of(subject: Subject, layer: str) -> Tensor:
    """The weight of a layer as loaded [out, in * k]."""
    return Model.original(subject).values(layer)


def buffers_for(subject: Subject) -> dict[str, Tensor]:
    """A buffer for the weight of each layer, its pages touched."""
    return {layer.name: weight_of(subject, layer.name).clone() for layer in subject.layers}
