"""A recipe: which techniques, with which knobs, on which layers. Frozen data with a canonical form."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NoReturn

import yaml

from compress_core.errors import Refused, shortened
from compress_core.group_selection import GroupSelection
from compress_core.knobs import Strict
from compress_core.patterns import n_of_m
from compress_core.select import Selection
from compress_core.technique import LAYER_STAGES, Stage, Technique, technique_named

VERSION = 1
_SECTIONS = ("version", "prepare", "groups", "layers", "correct")


@dataclass(frozen=True)
class Setting:
    """A technique with its knob values, all of them checked; equal settings are equal values."""

    technique: str
    knobs: Strict

    @classmethod
    def of(cls, technique: str, /, **knobs: object) -> Setting:
        """A setting from a technique's name and knobs; raises Refused."""
        return cls(technique, technique_named(technique).validated(knobs))  # type: ignore[arg-type]

    @classmethod
    def of_group(cls, technique: str, /, **knobs: object) -> Setting:
        """The same for a group of coupled channels, whose selection has other knobs; raises Refused."""
        return cls(technique, technique_named(technique).validated_for_group(knobs))  # type: ignore[arg-type]

    @property
    def method(self) -> Technique:
        return technique_named(self.technique)

    @property
    def stage(self) -> Stage:
        return Stage.GROUPS if isinstance(self.knobs, GroupSelection) else self.method.stage

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
    """Steps for every layer or group whose name matches a pattern (* and ? as in file names).

    Steps of the stage INPUTS stand last; a file has them under `inputs`.
    """

    match: str
    steps: tuple[Setting, ...]

    def matches(self, name: str) -> bool:
        """Whether the rule speaks of this layer."""
        return fnmatch.fnmatchcase(name, self.match)

    def as_json(self) -> dict[str, Any]:
        """The rule as it stands in a recipe file."""
        steps = [s.as_json() for s in self.steps if s.stage is not Stage.INPUTS]
        inputs = [s.as_json() for s in self.steps if s.stage is Stage.INPUTS]
        return {"match": self.match, "steps": steps} | ({"inputs": inputs} if inputs else {})


@dataclass(frozen=True)
class Recipe:
    """What is prepared, rules for coupled groups and for layers (the first match wins), corrections."""

    layers: tuple[Rule, ...] = ()
    groups: tuple[Rule, ...] = ()
    prepare: tuple[Setting, ...] = ()
    correct: tuple[Setting, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of a recipe file; sections that say nothing are left out."""
        sections = {
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
class Resolved:
    """A recipe's canonical form: for each layer that changes, its steps in order.

    After a factoring, later steps stand under the names of the small layers (fc1.0, fc1.1). A rule
    speaks for a small layer when it matches its name and not the whole layer's.
    """

    layers: tuple[tuple[str, tuple[Setting, ...]], ...]
    groups: tuple[tuple[str, tuple[Setting, ...]], ...] = ()
    prepare: tuple[Setting, ...] = ()
    correct: tuple[Setting, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is done at all."""
        return bool(self.layers or self.groups or self.prepare or self.correct)

    @property
    def changes_structure(self) -> bool:
        """Whether the later stages see other layers than the model was loaded with."""
        return bool(self.prepare or self.groups)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every step of every section."""
        steps = (step for _, steps in (*self.groups, *self.layers) for step in steps)
        return (*self.prepare, *steps, *self.correct)

    @cached_property
    def by_layer(self) -> Mapping[str, tuple[Setting, ...]]:
        return MappingProxyType(dict(self.layers))

    def step(self, name: str, stage: Stage) -> Setting | None:
        """The step of one stage for a layer, None if it has none."""
        return next((s for s in self.by_layer.get(name, ()) if s.stage == stage), None)

    def inputs_of(self, name: str) -> tuple[Setting, ...]:
        """What happens to a layer's input, in order."""
        return tuple(s for s in self.by_layer.get(name, ()) if s.stage is Stage.INPUTS)

    def as_json(self) -> Any:
        """Plain values for links and jobs: the layers alone, or sections where there are more."""
        layers = _named_as_json(self.layers)
        if not (self.changes_structure or self.correct):
            return layers
        return {
            "prepare": [s.as_json() for s in self.prepare],
            "groups": _named_as_json(self.groups),
            "layers": layers,
            "correct": [s.as_json() for s in self.correct],
        }

    @classmethod
    def from_json(cls, values: object) -> Resolved:
        """The reverse of `as_json`; raises Refused for other values."""
        recipe = read_plain(values)
        layers, groups = (
            tuple((_unescaped(rule.match), rule.steps) for rule in rules)
            for rules in (recipe.layers, recipe.groups)
        )
        return cls(layers, groups, recipe.prepare, recipe.correct)

    @cached_property
    def sha(self) -> str:
        """sha-256 of the canonical form, in hexadecimal; it names results and files."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()

    @cached_property
    def structure_sha(self) -> str:
        """The same of what is prepared and cut: it names the base on which the layers' steps work."""
        alone = Resolved((), self.groups, self.prepare)
        return alone.sha

    @cached_property
    def yaml(self) -> str:
        """The canonical form as a YAML file."""
        return self.as_recipe().as_yaml()

    def as_recipe(self) -> Recipe:
        """The canonical form as a recipe with one rule for each layer; it resolves to itself."""
        layers = tuple(Rule(_escaped(name), steps) for name, steps in self.layers)
        groups = tuple(Rule(_escaped(name), steps) for name, steps in self.groups)
        return Recipe(layers, groups, self.prepare, self.correct)


Named = tuple[tuple[str, tuple[Setting, ...]], ...]


def _named_as_json(named: Named) -> list[Any]:
    return [[name, [s.as_json() for s in steps]] for name, steps in named]


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _unescaped(pattern: str) -> str:
    return re.sub(r"\[([*?[])\]", r"\1", pattern)


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
        if key not in _SECTIONS:
            raise Refused(
                "A recipe has no section {key!r}; it has {known}: rename it.",
                key=str(key)[:60],
                known=", ".join(_SECTIONS),
            )
    return Recipe(
        tuple(_parse_rule(rule) for rule in _listed(content.get("layers"), "layers")),
        tuple(_parse_group(rule) for rule in _listed(content.get("groups"), "groups")),
        _parse_whole(content.get("prepare"), "prepare", Stage.PREPARE),
        _parse_whole(content.get("correct"), "correct", Stage.CORRECT),
    )


def _parse_whole(value: object, section: str, stage: Stage) -> tuple[Setting, ...]:
    """The steps of a section that speaks of the whole network."""
    steps = tuple(_parse_step(step) for step in _listed(value, section))
    for index, step in enumerate(steps):
        if step.stage is not stage:
            raise Refused(
                "{technique} does not belong under {section}: move it to {place}.",
                technique=step.technique,
                section=section,
                place=_section_of(step.stage),
            )
        if step.technique in [s.technique for s in steps[:index]]:
            raise Refused(
                "{technique} stands twice under {section}: keep one of them.",
                technique=step.technique,
                section=section,
            )
    return steps


def _section_of(stage: Stage) -> str:
    names = {
        Stage.PREPARE: "prepare",
        Stage.GROUPS: "groups",
        Stage.INPUTS: "inputs",
        Stage.CORRECT: "correct",
    }
    return names.get(stage, "the steps of a layer")


def read_plain(values: object) -> Recipe:
    """A recipe from what `Resolved.as_json` made, with one rule for each name; raises Refused."""
    sections = values if isinstance(values, Mapping) else {"layers": values}
    content = {key: sections.get(key) for key in ("prepare", "correct")}
    for key in ("layers", "groups"):
        content[key] = [_as_rule(entry, key) for entry in _listed(sections.get(key), key)]
    return parse_recipe(content)


def _as_rule(entry: object, section: str) -> dict[str, object]:
    """[name, steps] as a rule of a file, the steps at a layer's input apart."""
    if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 2:
        raise Refused("The recipe is damaged or cut off at {got}: get it again.", got=shortened(entry))
    name, steps = entry
    rule: dict[str, object] = {"match": _escaped(str(name)), "steps": _listed(steps, str(name))}
    if section == "layers":
        inside = [_stands_at_input(step) for step in _listed(steps, str(name))]
        rule["steps"] = [s for s, at_input in zip(steps, inside, strict=True) if not at_input]
        rule["inputs"] = [s for s, at_input in zip(steps, inside, strict=True) if at_input]
    return rule


def _stands_at_input(step: object) -> bool:
    name = step.get("technique") if isinstance(step, Mapping) else step
    return isinstance(name, str) and technique_named(name).stage is Stage.INPUTS


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
    match, content = _matched(rule, {"match", "steps", "inputs"})
    steps = tuple(_parse_step(step) for step in _listed(content.get("steps"), f"steps of {match}"))
    inputs = tuple(_parse_step(step) for step in _listed(content.get("inputs"), f"inputs of {match}"))
    for step, here in [*((s, True) for s in steps), *((s, False) for s in inputs)]:
        if step.stage not in (LAYER_STAGES if here else (Stage.INPUTS,)):
            raise Refused(
                "{technique} does not belong under {section}: move it to {place}.",
                technique=step.technique,
                section=f"{'steps' if here else 'inputs'} of {match}",
                place=_section_of(step.stage),
            )
    _check_order(match, steps)
    _check_inputs(match, inputs)
    return Rule(match, steps + inputs)


def _parse_group(rule: object) -> Rule:
    match, content = _matched(rule, {"match", "steps"})
    listed = _listed(content.get("steps"), f"steps of {match}")
    steps = tuple(_parse_step(step, Setting.of_group) for step in listed)
    if len(steps) != 1:
        raise Refused(
            "The group rule for {match} has {count} steps, but a group is cut once: give it one step.",
            match=match,
            count=len(steps),
        )
    return Rule(match, steps)


def _matched(rule: object, known: set[str]) -> tuple[str, Mapping[Any, Any]]:
    """The pattern of a rule and the rest of it."""
    if not isinstance(rule, Mapping) or not isinstance(rule.get("match"), str):
        raise Refused(
            "A rule needs match with a layer name or pattern, but got {got}: add it.", got=shortened(rule)
        )
    extra = set(rule) - known
    if extra:
        raise Refused(
            "The rule for {match} has an unknown key {extra}; it has {known}: remove it.",
            match=rule["match"],
            extra=", ".join(sorted(map(str, extra))),
            known=", ".join(sorted(known)),
        )
    return rule["match"], rule


def _parse_step(step: object, make: Callable[..., Setting] = Setting.of) -> Setting:
    if isinstance(step, str):
        return make(step)
    if not isinstance(step, Mapping) or not isinstance(step.get("technique"), str):
        raise Refused("A step needs technique with a name, but got {got}: add it.", got=shortened(step))
    knobs = {str(k): v for k, v in step.items() if k != "technique"}
    return make(step["technique"], **knobs)


def _check_inputs(match: str, inputs: Sequence[Setting]) -> None:
    """An input may lose its small values and be rounded, each once and in this order."""
    for before, after in itertools.pairwise(inputs):
        if before.method.kind in {after.method.kind, "input quantizer"}:
            raise Refused(
                "{match} has {first} before {second} at its input: an input may first be made sparse and "
                "then quantized, each once. Keep one of them or swap them.",
                match=match,
                first=before.technique,
                second=after.technique,
            )


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


def resolve(recipe: Recipe, names: Sequence[str], groups: Named = ()) -> Resolved:
    """The canonical form of a recipe for a model with these layers; raises Refused for unknown ones.

    groups: what the recipe's rules say of the model's groups, which `apply` finds out.
    """
    taken: list[tuple[str, tuple[Setting, ...]]] = []
    for name in names:
        rule = _first_match(recipe, name)
        if rule is None or not rule.steps:
            continue
        if rule.steps[0].stage is not Stage.FACTOR:
            taken.append((name, rule.steps))
            continue
        inputs = tuple(s for s in rule.steps if s.stage is Stage.INPUTS)
        taken.append((name, rule.steps[:1] + inputs))
        taken.extend(_small_layers(recipe, name, rule))
    _check_every_rule_speaks(recipe, names, [name for name, _ in taken])
    layers = tuple((name, steps) for name, steps in taken if steps)
    return Resolved(layers, groups, recipe.prepare, recipe.correct)


def _first_match(recipe: Recipe, name: str) -> Rule | None:
    return next((rule for rule in recipe.layers if rule.matches(name)), None)


def _small_layers(recipe: Recipe, name: str, factoring: Rule) -> list[tuple[str, tuple[Setting, ...]]]:
    small = []
    for index in range(factoring.steps[0].method.parts):
        own = next((r for r in recipe.layers if r.matches(f"{name}.{index}") and not r.matches(name)), None)
        steps = _without_inputs(factoring.steps[1:]) if own is None else own.steps
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


def _without_inputs(steps: tuple[Setting, ...]) -> tuple[Setting, ...]:
    return tuple(s for s in steps if s.stage is not Stage.INPUTS)


def _check_every_rule_speaks(recipe: Recipe, names: Sequence[str], small: Sequence[str]) -> None:
    for rule in recipe.layers:
        if any(rule.matches(name) for name in (*names, *small)):
            continue
        stem, _, index = rule.match.rpartition(".")
        if stem in names and index.isdecimal():
            _refuse_part(recipe, stem, rule.match)
        raise Refused(
            "No layer matches {match!r}; the layers are {names}: correct the name.",
            match=rule.match,
            names=", ".join(names[:12]) + (", ..." if len(names) > 12 else ""),
        )


def _refuse_part(recipe: Recipe, stem: str, match: str) -> NoReturn:
    """A rule for a part of a layer that is not factored, or not into so many parts."""
    rule = _first_match(recipe, stem)
    factoring = next((s for s in (rule.steps if rule else ()) if s.stage is Stage.FACTOR), None)
    if factoring is None:
        raise Refused(
            "{match} is a part of {stem}, which this recipe does not factor: add low_rank to {stem}.",
            match=match,
            stem=stem,
        )
    raise Refused(
        "{match} is no part of {stem}, which {technique} replaces by {parts} layers, counted from 0: "
        "correct the number.",
        match=match,
        stem=stem,
        technique=factoring.technique,
        parts=factoring.method.parts,
    )
