"""Recipes as frozen data: which techniques, with which knobs, on what; and their canonical form."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import yaml
from pydantic import Field

from compress_core.foundation.cached import cached_property
from compress_core.foundation.knobs import Strict
from compress_core.selection.group_selection import GroupSelection
from compress_core.selection.patterns import NOfM, Pattern, parse_pattern
from compress_core.selection.select import USUAL_SHARE, Selection
from compress_core.techniques.contract.technique import Stage, Technique, technique_named

VERSION = 2


@dataclass(frozen=True)
class Step:
    """A technique with its knob values, all of them checked; equal settings are equal values."""

    technique: str
    knobs: Strict

    @classmethod
    def of(cls, technique: str, /, **knobs: object) -> Step:
        """A setting from a technique's name and knobs; raises Refused."""
        return cls(technique, technique_named(technique).validated(knobs))  # type: ignore[arg-type]

    @classmethod
    def of_group(cls, technique: str, /, **knobs: object) -> Step:
        """The same for a group of coupled channels, whose selection has other knobs; raises Refused."""
        return cls(technique, technique_named(technique).validated_for_group(knobs))  # type: ignore[arg-type]

    @property
    def method(self) -> Technique:
        return technique_named(self.technique)

    @property
    def stage(self) -> Stage:
        return Stage.GROUPS if isinstance(self.knobs, GroupSelection) else self.method.stage

    @property
    def pattern(self) -> Pattern | None:
        """What the step removes together; None where that is no knob of it."""
        word: str | None = getattr(self.knobs, "pattern", None)
        return None if word is None else parse_pattern(word)

    @property
    def sparsity(self) -> float | None:
        """The share of weights that goes: that of n:m, the one that is set, or else one half.

        None where no share decides.
        """
        if "sparsity" not in type(self.knobs).model_fields:
            return None
        if isinstance(self.pattern, NOfM):
            return self.pattern.sparsity
        share: float | None = self.knobs.sparsity  # type: ignore[attr-defined]  # as just looked up
        return USUAL_SHARE if share is None else share

    @cached_property
    def changed(self) -> Mapping[str, Any]:
        """The knobs that differ from their defaults, and those without a default."""
        fields = type(self.knobs).model_fields
        values = {k: v for k, v in self.knobs if fields[k].is_required() or v != fields[k].default}
        if isinstance(self.knobs, Selection) and isinstance(self.pattern, NOfM):
            values.pop("sparsity", None)
        return MappingProxyType(values)

    def as_json(self) -> dict[str, Any]:
        """The step as it stands in a recipe file."""
        return {"technique": self.technique, **self.changed}

    def __hash__(self) -> int:
        return hash(json.dumps(self.as_json(), sort_keys=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.as_json() == other.as_json()


@dataclass(frozen=True)
class Rule:
    """Steps for every layer or group whose name matches a pattern (*, ? and [...] as in file names).

    Steps of the stage INPUTS stand last; a file has them under `inputs`.
    """

    match: str
    steps: tuple[Step, ...]

    def matches(self, name: str, names: Container[str]) -> bool:
        """Whether the rule speaks of this one of names; a match that is one of them is no pattern."""
        if self.match in names:
            return name == self.match
        return fnmatch.fnmatchcase(name, self.match)

    def as_json(self) -> dict[str, Any]:
        """The rule as it stands in a recipe file."""
        steps = [s.as_json() for s in self.steps if s.stage is not Stage.INPUTS]
        inputs = [s.as_json() for s in self.steps if s.stage is Stage.INPUTS]
        return {"match": self.match, "steps": steps} | ({"inputs": inputs} if inputs else {})


class Calibration(Strict):
    """How the items are chosen on which steps measure; in a recipe where it is not as usual."""

    items: Annotated[
        int | None,
        Field(
            ge=1,
            description="How many of the calibration items are used, the first of them; left out, all.",
        ),
    ] = None

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return self.items is not None

    def as_json(self) -> dict[str, Any]:
        """The section as it stands in a recipe file."""
        return {} if self.items is None else {"items": self.items}


ALL_ITEMS = Calibration()


@dataclass(frozen=True)
class Recipe:
    """What is prepared, rules for coupled groups and for layers (the first match wins), corrections.

    calibration: on how many items its steps measure.
    """

    layers: tuple[Rule, ...] = ()
    groups: tuple[Rule, ...] = ()
    prepare: tuple[Step, ...] = ()
    correct: tuple[Step, ...] = ()
    calibration: Calibration = ALL_ITEMS

    def as_json(self) -> dict[str, Any]:
        """The form of a recipe file; sections that say nothing are left out."""
        sections = {
            "calibration": self.calibration.as_json(),
            "prepare": [s.as_json() for s in self.prepare],
            "groups": [r.as_json() for r in self.groups],
            "layers": [r.as_json() for r in self.layers],
            "correct": [s.as_json() for s in self.correct],
        }
        return {"version": VERSION} | {k: v for k, v in sections.items() if v or k == "layers"}

    def as_yaml(self) -> str:
        """The recipe as a YAML file."""
        return yaml.safe_dump(self.as_json(), sort_keys=False, default_flow_style=None, width=100)


@dataclass(frozen=True)
class ResolvedRecipe:
    """A recipe's canonical form: for each layer that changes, its steps in order.

    After a factoring, later steps stand under the names of the small layers (fc1.0, fc1.1). A rule
    speaks for a small layer when it matches its name and not the whole layer's.
    """

    layers: tuple[tuple[str, tuple[Step, ...]], ...]
    groups: tuple[tuple[str, tuple[Step, ...]], ...] = ()
    prepare: tuple[Step, ...] = ()
    correct: tuple[Step, ...] = ()
    calibration: Calibration = ALL_ITEMS

    def __bool__(self) -> bool:
        """Whether anything is done at all."""
        return bool(self.layers or self.groups or self.prepare or self.correct)

    @property
    def changes_structure(self) -> bool:
        """Whether the later stages see other layers than the model was loaded with."""
        return bool(self.prepare or self.groups)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of every section."""
        steps = (step for _, steps in (*self.groups, *self.layers) for step in steps)
        return (*self.prepare, *steps, *self.correct)

    @cached_property
    def by_layer(self) -> Mapping[str, tuple[Step, ...]]:
        return MappingProxyType(dict(self.layers))

    def step(self, name: str, stage: Stage) -> Step | None:
        """The step of one stage for a layer, None if it has none."""
        return next((s for s in self.by_layer.get(name, ()) if s.stage == stage), None)

    def inputs_of(self, name: str) -> tuple[Step, ...]:
        """What happens to a layer's input, in order."""
        return tuple(s for s in self.by_layer.get(name, ()) if s.stage is Stage.INPUTS)

    def as_json(self) -> Any:
        """Plain values for links and jobs: the layers alone, or sections where there are more."""
        layers = _named_as_json(self.layers)
        if not (self.changes_structure or self.correct or self.calibration):
            return layers
        return ({"calibration": self.calibration.as_json()} if self.calibration else {}) | {
            "prepare": [s.as_json() for s in self.prepare],
            "groups": _named_as_json(self.groups),
            "layers": layers,
            "correct": [s.as_json() for s in self.correct],
        }

    @cached_property
    def sha(self) -> str:
        """sha-256 of the canonical form, in hexadecimal; it names results and files."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()

    @cached_property
    def structure_sha(self) -> str:
        """The same of what is prepared and cut: it names the base on which the layers' steps work."""
        alone = ResolvedRecipe((), self.groups, self.prepare, calibration=self.calibration)
        return alone.sha

    @cached_property
    def yaml(self) -> str:
        """The canonical form as a YAML file."""
        return self.as_recipe().as_yaml()

    def as_recipe(self) -> Recipe:
        """The canonical form as a recipe with one rule for each layer; it resolves to itself."""
        layers = tuple(Rule(escaped(name), steps) for name, steps in self.layers)
        groups = tuple(Rule(escaped(name), steps) for name, steps in self.groups)
        return Recipe(layers, groups, self.prepare, self.correct, self.calibration)


Named = tuple[tuple[str, tuple[Step, ...]], ...]


def _named_as_json(named: Named) -> list[Any]:
    return [[name, [s.as_json() for s in steps]] for name, steps in named]


def escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def unescaped(pattern: str) -> str:
    return re.sub(r"\[([*?[])\]", r"\1", pattern)
