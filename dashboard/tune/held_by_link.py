"""What the link that led here keeps a visitor from changing on Tune: families of steps, and layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from compress_core.foundation.errors import Refused
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import ResolvedRecipe
from compress_core.techniques.contract.technique import Stage
from dashboard import state
from dashboard.link_limits import CONTROLS, LinkLimits, limits
from dashboard.text import label
from dashboard.view import View

FAMILIES: Mapping[str, Stage] = MappingProxyType(
    {"prune": Stage.PRUNE, "rank": Stage.FACTOR, "bits": Stage.QUANTIZE}
)


def with_held_layers(view: View) -> View:
    """The view as it is drawn: what the link locks is locked too, though the visitor did not."""
    return replace(view, locked=view.locked | limits().held(state.subject(view).by_name))


def refuse_held(before: ResolvedRecipe, after: ResolvedRecipe) -> None:
    """Raises Refused where a change touches what the link locks."""
    found = limits()
    layers = list(state.subject(state.required()).by_name)
    held = found.held(layers)
    if not (held or found.locked):
        return
    for layer in layers:
        for family, stage in FAMILIES.items():
            if step_for_layer(before, layer, stage) != step_for_layer(after, layer, stage):
                _refuse(found, family, layer, is_held=layer in held)


def _refuse(found: LinkLimits, family: str, layer: str, *, is_held: bool) -> None:
    if family in found.locked:
        raise Refused(
            "The link that led here locks {family}: open the page without the link's limits to change that.",
            family=label(CONTROLS[family].title),
        )
    if is_held:
        raise held_by_link(layer)


def held_by_link(layer: str) -> Refused:
    """Why a layer cannot be changed, or set free, by hand."""
    return Refused(
        "The link that led here locks {layer}: open the page without the link's limits to change it.",
        layer=layer,
    )
