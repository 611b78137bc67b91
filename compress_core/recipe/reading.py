"""Recipes as people write them: YAML or JSON, checked section by section, refused with what to change."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import yaml

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import Phrase
from compress_core.recipe.values import VERSION, Recipe, ResolvedRecipe, Rule, Step, escaped, unescaped
from compress_core.recipe.version_1 import in_version_2
from compress_core.techniques.contract.technique import LAYER_STAGES, Stage, technique_named
from compress_core.techniques.contract.technique_kind import TechniqueKind

_SECTIONS = ("version", "prepare", "groups", "layers", "correct")


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
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OF_ELEVEN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
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
    """A recipe from the plain values of its file; raises Refused with what to change.

    Where it says no version, as in a link, a job and a typed step, the words of both are read.
    """
    if not isinstance(content, Mapping):
        raise Refused(
            "A recipe is a mapping with version and layers, but this is a {got}: see the example on Tune.",
            got=type(content).__name__,
        )
    version = content.get("version", 1)
    if version not in (1, VERSION) or isinstance(version, bool):
        raise Refused(
            "The recipe has version {got}, but this release reads versions 1 and {version}: "
            "convert it or use the release that wrote it.",
            got=shortened(version),
            version=VERSION,
        )
    content = in_version_2(content) if version == 1 else content
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


def _parse_whole(value: object, section: str, stage: Stage) -> tuple[Step, ...]:
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
    """Where a step of this stage stands; the names of sections are those of a file."""
    names = {
        Stage.PREPARE: "prepare",
        Stage.GROUPS: "groups",
        Stage.INPUTS: "inputs",
        Stage.CORRECT: "correct",
    }
    return names.get(stage) or Phrase("the steps of a layer")


def read_plain(values: object) -> Recipe:
    """A recipe from what `ResolvedRecipe.as_json` made, with one rule for each name; raises Refused."""
    sections = values if isinstance(values, Mapping) else {"layers": values}
    content = {key: sections.get(key) for key in ("prepare", "correct")}
    for key in ("layers", "groups"):
        content[key] = [_as_rule(entry, key) for entry in _listed(sections.get(key), key)]
    return parse_recipe(content)


def read_resolved(values: object) -> ResolvedRecipe:
    """The reverse of `ResolvedRecipe.as_json`; raises Refused for other values."""
    recipe = read_plain(values)
    layers, groups = (
        tuple((unescaped(rule.match), rule.steps) for rule in rules)
        for rules in (recipe.layers, recipe.groups)
    )
    return ResolvedRecipe(layers, groups, recipe.prepare, recipe.correct)


def _as_rule(entry: object, section: str) -> dict[str, object]:
    """[name, steps] as a rule of a file, the steps at a layer's input apart."""
    if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 2:
        raise Refused("The recipe is damaged or cut off at {got}: get it again.", got=shortened(entry))
    name, steps = entry
    rule: dict[str, object] = {"match": escaped(str(name)), "steps": _listed(steps, str(name))}
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
    steps = tuple(
        _parse_step(step) for step in _listed(content.get("steps"), Phrase("steps of {match}", match=match))
    )
    inputs = tuple(
        _parse_step(step) for step in _listed(content.get("inputs"), Phrase("inputs of {match}", match=match))
    )
    for step, here in [*((s, True) for s in steps), *((s, False) for s in inputs)]:
        if step.stage not in (LAYER_STAGES if here else (Stage.INPUTS,)):
            raise Refused(
                "{technique} does not belong under {section}: move it to {place}.",
                technique=step.technique,
                section=Phrase("steps of {match}", match=match)
                if here
                else Phrase("inputs of {match}", match=match),
                place=_section_of(step.stage),
            )
    _check_order(match, steps)
    _check_inputs(match, inputs)
    return Rule(match, steps + inputs)


def _parse_group(rule: object) -> Rule:
    match, content = _matched(rule, {"match", "steps"})
    listed = _listed(content.get("steps"), Phrase("steps of {match}", match=match))
    steps = tuple(_parse_step(step, Step.of_group) for step in listed)
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


def _parse_step(step: object, make: Callable[..., Step] = Step.of) -> Step:
    if isinstance(step, str):
        return make(step)
    if not isinstance(step, Mapping) or not isinstance(step.get("technique"), str):
        raise Refused("A step needs technique with a name, but got {got}: add it.", got=shortened(step))
    knobs = {str(k): v for k, v in step.items() if k != "technique"}
    return make(step["technique"], **knobs)


def _check_inputs(match: str, inputs: Sequence[Step]) -> None:
    """An input may lose its small values and be rounded, each once and in this order."""
    for before, after in itertools.pairwise(inputs):
        if before.method.kind in {after.method.kind, TechniqueKind.INPUT_QUANTIZER}:
            raise Refused(
                "{match} has {first} before {second} at its input: an input may first be made sparse and "
                "then quantized, each once. Keep one of them or swap them.",
                match=match,
                first=before.technique,
                second=after.technique,
            )


def _check_order(match: str, steps: Sequence[Step]) -> None:
    for before, after in itertools.pairwise(steps):
        if before.stage == after.stage:
            raise Refused(
                "{match} has two steps that {verb}, {first} and {second}: keep one of them.",
                match=match,
                verb=Phrase(before.stage.name.lower()),
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
