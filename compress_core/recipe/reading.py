"""Recipes as people write them: YAML or JSON, checked section by section, refused with what to change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import Phrase
from compress_core.recipe.plain_yaml import plain_values
from compress_core.recipe.values import (
    ALL_ITEMS,
    VERSION,
    Calibration,
    Recipe,
    ResolvedRecipe,
    Rule,
    Step,
    escaped,
    unescaped,
)
from compress_core.recipe.version_1 import in_version_2
from compress_core.techniques.contract.technique import LAYER_STAGES, Stage, technique_named
from compress_core.techniques.contract.technique_kind import TechniqueKind

_SECTIONS = ("version", "calibration", "prepare", "groups", "layers", "correct")
MAX_RULES = 2_048
MAX_STEPS = 64
MAX_MATCH = 1_000


def read_recipe(text: str) -> Recipe:
    """A recipe from YAML or JSON text; raises Refused with what to change."""
    content = plain_values(text)
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
    _check_sections(content)
    return Recipe(
        tuple(_parse_rule(rule) for rule in _listed(content.get("layers"), "layers", MAX_RULES)),
        tuple(_parse_group(rule) for rule in _listed(content.get("groups"), "groups", MAX_RULES)),
        _parse_whole(content.get("prepare"), "prepare", Stage.PREPARE),
        _parse_whole(content.get("correct"), "correct", Stage.CORRECT),
        _parse_calibration(content.get("calibration")),
    )


def _check_sections(content: Mapping[Any, object]) -> None:
    """Refuse a section of another name: what is not understood is not left out without a word."""
    for key in content:
        if key not in _SECTIONS:
            raise Refused(
                "A recipe has no section {key!r}; it has {known}: rename it.",
                key=key if isinstance(key, str) and len(key) <= 60 else shortened(key),
                known=", ".join(_SECTIONS),
            )


def _parse_calibration(value: object) -> Calibration:
    """How many items steps measure on."""
    match value:
        case None:
            return ALL_ITEMS
        case {"items": int() as items, **others} if not others and not isinstance(items, bool) and items > 0:
            return Calibration(items=items)
    raise Refused(
        "calibration says how many items are used, as in {example}, but got {got}: correct it or leave it "
        "out for all there are.",
        example="{items: 256}",
        got=shortened(value),
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
    _check_sections(sections)
    content = {
        key: sections[key] for key in ("version", "calibration", "prepare", "correct") if key in sections
    }
    for key in ("layers", "groups"):
        content[key] = [_as_rule(entry, key) for entry in _listed(sections.get(key), key, MAX_RULES)]
    return parse_recipe(content)


def read_resolved(values: object) -> ResolvedRecipe:
    """The reverse of `ResolvedRecipe.as_json`; raises Refused for other values."""
    recipe = read_plain(values)
    layers, groups = (
        tuple((unescaped(rule.match), rule.steps) for rule in rules)
        for rules in (recipe.layers, recipe.groups)
    )
    return ResolvedRecipe(layers, groups, recipe.prepare, recipe.correct, recipe.calibration)


def _as_rule(entry: object, section: str) -> dict[str, object]:
    """[name, steps] as a rule of a file, the steps at a layer's input apart."""
    match entry:
        case [str() as name, steps]:
            listed = _listed(steps, name[:60])
        case _:
            raise Refused("The recipe is damaged or cut off at {got}: get it again.", got=shortened(entry))
    if section != "layers":
        return {"match": escaped(name), "steps": listed}
    inside = [_stands_at_input(step) for step in listed]
    return {
        "match": escaped(name),
        "steps": [s for s, at_input in zip(listed, inside, strict=True) if not at_input],
        "inputs": [s for s, at_input in zip(listed, inside, strict=True) if at_input],
    }


def _stands_at_input(step: object) -> bool:
    name = step.get("technique") if isinstance(step, Mapping) else step
    return isinstance(name, str) and technique_named(name).stage is Stage.INPUTS


def _listed(value: object, where: str, most: int = MAX_STEPS) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Refused(
            "{where} must be a list, but it is a {got}: put a dash before each entry.",
            where=where,
            got=type(value).__name__,
        )
    if len(value) > most:
        raise Refused(
            "{where} has {got:,} entries; at most {most:,} are read: use patterns, as in 'conv*'.",
            where=where,
            got=len(value),
            most=most,
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
    match = rule.get("match") if isinstance(rule, Mapping) else None
    if isinstance(rule, Mapping) and isinstance(match, int) and not isinstance(match, bool):
        rule = {**rule, "match": str(match)}  # a layer of nn.Sequential is called by its number
    elif isinstance(match, bool | float):
        raise Refused(
            "A rule has {got} for its match, which is no name: put it in quotes, as in '1.10'.",
            got=shortened(match),
        )
    if not isinstance(rule, Mapping) or not isinstance(rule.get("match"), str):
        raise Refused(
            "A rule needs match with a layer name or pattern, but got {got}: add it.", got=shortened(rule)
        )
    if len(rule["match"]) > MAX_MATCH:
        raise Refused(
            "A rule has a match of {got:,} characters; it may have {most:,}: write a name or a pattern.",
            got=len(rule["match"]),
            most=MAX_MATCH,
        )
    extra = set(rule) - known
    if extra:
        raise Refused(
            "The rule for {match} has an unknown key {extra}; it has {known}: remove it.",
            match=rule["match"],
            extra=", ".join(sorted(map(str, extra)))[:200],
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
