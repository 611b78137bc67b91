"""A recipe: which techniques, with which knobs, on which layers. Frozen data with a canonical form."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import yaml

from compress_core.errors import Refused, shortened
from compress_core.knobs import Strict
from compress_core.select import Selection, n_of_m
from compress_core.technique import Stage, Technique, technique_named

VERSION = 1
_SECTIONS_OF_LATER = ("prepare", "groups", "correct")


@dataclass(frozen=True)
class Setting:
    """A technique with its knob values, all of them checked; equal settings are equal values."""

    technique: str
    knobs: Strict

    @classmethod
    def of(cls, technique: str, /, **knobs: object) -> Setting:
        """A setting from a technique's name and knobs; raises Refused."""
        return cls(technique, technique_named(technique).validated(knobs))  # type: ignore[arg-type]

    @property
    def method(self) -> Technique:
        return technique_named(self.technique)

    @property
    def stage(self) -> Stage:
        return self.method.stage

    @cached_property
    def changed(self) -> Mapping[str, Any]:
        """The knobs that differ from their defaults, and those without a default."""
        fields = type(self.knobs).model_fields
        values = {k: v for k, v in self.knobs if fields[k].is_required() or v != fields[k].default}
        if isinstance(self.knobs, Selection) and n_of_m(self.knobs.pattern) is not None:
            values.pop("sparsity", None)
        return MappingProxyType(values)

    def as_json(self) -> dict[str, Any]:
        """The step as it stands in a recipe file."""
        return {"technique": self.technique, **self.changed}

    def __hash__(self) -> int:
        return hash(json.dumps(self.as_json(), sort_keys=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Setting) and self.as_json() == other.as_json()


@dataclass(frozen=True)
class Rule:
    """Steps for every layer whose name matches a pattern (* and ? as in file names)."""

    match: str
    steps: tuple[Setting, ...]

    def matches(self, name: str) -> bool:
        """Whether the rule speaks of this layer."""
        return fnmatch.fnmatchcase(name, self.match)


@dataclass(frozen=True)
class Recipe:
    """Rules for layers; the first that matches wins."""

    layers: tuple[Rule, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of a recipe file."""
        rules = [{"match": r.match, "steps": [s.as_json() for s in r.steps]} for r in self.layers]
        return {"version": VERSION, "layers": rules}

    def as_yaml(self) -> str:
        """The recipe as a YAML file."""
        return yaml.safe_dump(self.as_json(), sort_keys=False, default_flow_style=None, width=100)


@dataclass(frozen=True)
class Resolved:
    """A recipe's canonical form: for each layer that changes, its steps in order.

    After a factoring, later steps stand under the names of the small layers (fc1.0, fc1.1). A rule
    speaks for a small layer when it matches its name and not the whole layer's.
    """

    layers: tuple[tuple[str, tuple[Setting, ...]], ...]

    @cached_property
    def by_layer(self) -> Mapping[str, tuple[Setting, ...]]:
        return MappingProxyType(dict(self.layers))

    def step(self, name: str, stage: Stage) -> Setting | None:
        """The step of one stage for a layer, None if it has none."""
        return next((s for s in self.by_layer.get(name, ()) if s.stage == stage), None)

    @cached_property
    def sha(self) -> str:
        """sha-256 of the canonical form, in hexadecimal; it names results and files."""
        content = [[name, [s.as_json() for s in steps]] for name, steps in self.layers]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @cached_property
    def yaml(self) -> str:
        """The canonical form as a YAML file."""
        return self.as_recipe().as_yaml()

    def as_recipe(self) -> Recipe:
        """The canonical form as a recipe with one rule for each layer; it resolves to itself."""
        return Recipe(tuple(Rule(_escaped(name), steps) for name, steps in self.layers))


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


class _Loader(yaml.SafeLoader):
    """Plain YAML in which 2:4 is a pattern, not the number 124 in base 60, and nothing is a date.

    What stands twice in a mapping is refused: the first of them would be lost without a word.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_OF_ELEVEN = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in _OF_ELEVEN]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def read_recipe(text: str) -> Recipe:
    """A recipe from YAML or JSON text; raises Refused with what to change."""
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Refused("The recipe is not valid YAML ({reason}): correct that place.", reason=reason) from None
    return parse_recipe(content if content is not None else {})


def parse_recipe(content: object) -> Recipe:
    """A recipe from the plain values of its file; raises Refused with what to change."""
    if not isinstance(content, Mapping):
        raise Refused(
            "A recipe is a mapping with version and layers, but this is a {got}: see the example on Tune.",
            got=type(content).__name__,
        )
    version = content.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise Refused(
            "The recipe has version {got}, but this release reads version {version}: "
            "convert it or use the release that wrote it.",
            got=shortened(version),
            version=VERSION,
        )
    for key in content:
        if key in _SECTIONS_OF_LATER and content[key]:
            raise Refused("The recipe's section {key} has no technique in this release: remove it.", key=key)
        if key not in {"version", "layers", *_SECTIONS_OF_LATER}:
            raise Refused(
                "A recipe has no section {key!r}; it has version and layers: rename it.", key=str(key)[:60]
            )
    return Recipe(tuple(_parse_rule(rule) for rule in _listed(content.get("layers"), "layers")))


def _listed(value: object, where: str) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Refused(
            "{where} must be a list, but it is a {got}: put a dash before each entry.",
            where=where,
            got=type(value).__name__,
        )
    return value


def _parse_rule(rule: object) -> Rule:
    if not isinstance(rule, Mapping) or not isinstance(rule.get("match"), str):
        raise Refused(
            "A rule needs match with a layer name or pattern, but got {got}: add it.", got=shortened(rule)
        )
    extra = set(rule) - {"match", "steps"}
    if extra:
        raise Refused(
            "The rule for {match} has an unknown key {extra}; it has match and steps: remove it.",
            match=rule["match"],
            extra=", ".join(sorted(map(str, extra))),
        )
    steps = tuple(_parse_step(step) for step in _listed(rule.get("steps"), f"steps of {rule['match']}"))
    _check_order(rule["match"], steps)
    return Rule(rule["match"], steps)


def _parse_step(step: object) -> Setting:
    if isinstance(step, str):
        return Setting.of(step)
    if not isinstance(step, Mapping) or not isinstance(step.get("technique"), str):
        raise Refused("A step needs technique with a name, but got {got}: add it.", got=shortened(step))
    knobs = {str(k): v for k, v in step.items() if k != "technique"}
    return Setting.of(step["technique"], **knobs)


def _check_order(match: str, steps: Sequence[Setting]) -> None:
    for before, after in itertools.pairwise(steps):
        if before.stage == after.stage:
            raise Refused(
                "{match} has two steps that {verb}, {first} and {second}: keep one of them.",
                match=match,
                verb=before.stage.name.lower(),
                first=before.technique,
                second=after.technique,
            )
        if before.stage > after.stage:
            raise Refused(
                "{match} has {first} before {second}, but the order is factor, prune, quantize: swap them.",
                match=match,
                first=before.technique,
                second=after.technique,
            )


def resolve(recipe: Recipe, names: Sequence[str]) -> Resolved:
    """The canonical form of a recipe for a model with these layers; raises Refused for unknown ones."""
    taken: list[tuple[str, tuple[Setting, ...]]] = []
    for name in names:
        rule = _first_match(recipe, name)
        if rule is None or not rule.steps:
            continue
        if rule.steps[0].stage is not Stage.FACTOR:
            taken.append((name, rule.steps))
            continue
        taken.append((name, rule.steps[:1]))
        taken.extend(_small_layers(recipe, name, rule))
    _check_every_rule_speaks(recipe, names, [name for name, _ in taken])
    return Resolved(tuple((name, steps) for name, steps in taken if steps))


def _first_match(recipe: Recipe, name: str) -> Rule | None:
    return next((rule for rule in recipe.layers if rule.matches(name)), None)


def _small_layers(recipe: Recipe, name: str, factoring: Rule) -> list[tuple[str, tuple[Setting, ...]]]:
    small = []
    for index in (0, 1):
        own = next((r for r in recipe.layers if r.matches(f"{name}.{index}") and not r.matches(name)), None)
        steps = factoring.steps[1:] if own is None else own.steps
        if any(s.stage is Stage.FACTOR for s in steps):
            raise Refused(
                "{layer} is already a factor of {whole} and cannot be factored again: "
                "remove that step or narrow the rule {match}.",
                layer=f"{name}.{index}",
                whole=name,
                match=own.match if own else factoring.match,
            )
        small.append((f"{name}.{index}", steps))
    return small


def _check_every_rule_speaks(recipe: Recipe, names: Sequence[str], small: Sequence[str]) -> None:
    for rule in recipe.layers:
        if any(rule.matches(name) for name in (*names, *small)):
            continue
        stem, _, index = rule.match.rpartition(".")
        if stem in names and index in {"0", "1"}:
            raise Refused(
                "{match} is a part of {stem}, which this recipe does not factor: add low_rank to {stem}.",
                match=rule.match,
                stem=stem,
            )
        raise Refused(
            "No layer matches {match!r}; the layers are {names}: correct the name.",
            match=rule.match,
            names=", ".join(names[:12]) + (", ..." if len(names) > 12 else ""),
        )
