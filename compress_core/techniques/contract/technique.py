"""A technique is a pure function in a file of its own; everything else is read from its signature.

Positional arguments are tensors that the engine supplies by name, keyword-only arguments are
knobs, the return annotation says which kind of answer it gives and thereby its place in a recipe.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from compress_core.foundation.cached import cached_property
from compress_core.foundation.declared_knobs import knobs_of, told, validated
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.near_names import near_names
from compress_core.selection.group_selection import GroupSelection
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection
from compress_core.techniques.contract.input_rules import DynamicGrid, KeepAbove, KeepLargest, StaticGrid
from compress_core.techniques.contract.results import (
    ChannelScores,
    Dropped,
    Factored,
    Folded,
    KeptUnits,
    Pruned,
    Quantized,
    Rescaled,
    Restated,
    Shifted,
)
from compress_core.techniques.contract.technique_kind import KIND_OF, TechniqueKind

F = TypeVar("F", bound=Callable[..., Any])


class Stage(IntEnum):
    """Where a technique stands in a recipe; the order is fixed."""

    PREPARE = 1
    GROUPS = 2
    FACTOR = 3
    PRUNE = 4
    QUANTIZE = 5
    INPUTS = 6
    CORRECT = 7


LAYER_STAGES = (Stage.FACTOR, Stage.PRUNE, Stage.QUANTIZE)
STAGE_OF = MappingProxyType(
    {
        Folded: Stage.PREPARE,
        Rescaled: Stage.PREPARE,
        KeptUnits: Stage.PREPARE,
        ChannelScores: Stage.GROUPS,
        Dropped: Stage.GROUPS,
        Factored: Stage.FACTOR,
        Scores: Stage.PRUNE,
        Pruned: Stage.PRUNE,
        Quantized: Stage.QUANTIZE,
        StaticGrid: Stage.INPUTS,
        DynamicGrid: Stage.INPUTS,
        KeepAbove: Stage.INPUTS,
        KeepLargest: Stage.INPUTS,
        Shifted: Stage.CORRECT,
        Restated: Stage.CORRECT,
    }
)
Knobs = BaseModel


@dataclass(frozen=True)
class Technique:
    """A compression method and all that is known of it from its signature and docstring."""

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...]
    knobs: type[Knobs]
    group_knobs: type[Knobs] | None
    result: type
    parts: int
    summary: str
    details: str
    source: str

    @property
    def stage(self) -> Stage:
        return STAGE_OF[self.result]

    @property
    def kind(self) -> TechniqueKind:
        """What sort of technique it is, in a word or two."""
        return KIND_OF[self.result]

    @property
    def is_criterion(self) -> bool:
        """Whether it scores weights and leaves the choice to the engine's selection."""
        return self.result is Scores

    @property
    def serves_groups(self) -> bool:
        """Whether it can stand in the groups of a recipe: it scores weights or channels, or drops a block."""
        return self.group_knobs is not None

    @cached_property
    def own_knobs(self) -> frozenset[str]:
        """The knobs that the function itself declares, without those of the selection."""
        parameters = inspect.signature(self.function).parameters.values()
        return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)

    def validated(self, values: Mapping[str, object]) -> Knobs:
        """Knob values checked against the declaration; raises Refused with one sentence."""
        return validated(self.name, self.knobs, values)

    def validated_for_group(self, values: Mapping[str, object]) -> Knobs:
        """The same for a group of coupled channels; raises Refused where it cannot serve groups."""
        if self.group_knobs is None:
            known = ", ".join(name for name, t in techniques().items() if t.serves_groups)
            raise Refused(
                "{technique} cannot choose channels, so it cannot stand in groups: use one of {known}, "
                "or move the step to layers.",
                technique=self.name,
                known=known,
            )
        return validated(self.name, self.group_knobs, values)


_PACKAGE = "compress_core.techniques"
_REGISTRY: dict[str, Technique] = {}


def technique(function: F) -> F:
    """Register a pure function as a technique."""
    name = function.__name__
    assert name not in _REGISTRY or _REGISTRY[name].function.__module__ == function.__module__, name
    _REGISTRY[name] = _declared(function)
    return function


def _declared(function: Callable[..., Any]) -> Technique:
    parameters = inspect.signature(function).parameters.values()
    needs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
    summary, details, source = told(inspect.getdoc(function) or "")
    result, parts = _answer(typing.get_type_hints(function, include_extras=True)["return"])
    of_groups = result in {ChannelScores, Dropped}
    base = Selection if result is Scores else GroupSelection if result is ChannelScores else Strict
    knobs = knobs_of(function, base)
    group_knobs = knobs if of_groups else None
    if result is Scores:
        group_knobs = knobs_of(function, GroupSelection)
    return Technique(
        function.__name__, function, needs, knobs, group_knobs, result, parts, summary, details, source
    )


def _answer(annotation: Any) -> tuple[type, int]:
    """What a technique answers, and how many layers that leaves in the place of one."""
    if typing.get_origin(annotation) is not typing.Annotated:
        return annotation, 1
    result, parts = typing.get_args(annotation)
    return result, parts.count


def _load_all() -> None:
    _load(tuple(importlib.import_module(_PACKAGE).__path__))


@lru_cache(maxsize=4)
def _load(path: tuple[str, ...]) -> None:
    """Import every technique; a file that declares none of its name is our own mistake."""
    for found in pkgutil.iter_modules(path):
        if not found.ispkg:  # contract/ holds what all of them stand on
            file = f"{_PACKAGE}.{found.name}"
            importlib.import_module(file)
            declared = sorted(t.name for t in _REGISTRY.values() if t.function.__module__ == file)
            assert declared == [found.name], f"{file} must declare {found.name}, but it declares {declared}"


def techniques() -> Mapping[str, Technique]:
    """Every technique by name, in the order of the stages and then of the alphabet."""
    _load_all()
    return {t.name: t for t in sorted(_REGISTRY.values(), key=lambda t: (t.stage, t.name))}


def technique_named(name: str) -> Technique:
    """The technique of that name; raises Refused with the names that are near."""
    if name not in _REGISTRY:  # a slider asks for its technique at every move
        _load_all()
    if name not in _REGISTRY:
        hint = near_names(name, techniques())
        raise Refused("No technique is called {name!r}; {hint}.", name=name, hint=hint)
    return _REGISTRY[name]
