"""Rules become the steps of each layer: the canonical form that names results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from compress_core.foundation.errors import Refused
from compress_core.recipe.values import Named, Recipe, ResolvedRecipe, Rule, Step
from compress_core.techniques.contract.technique import Stage

_NONE_LOCKED: Mapping[str, str] = MappingProxyType({})


def resolve(
    recipe: Recipe, names: Sequence[str], groups: Named = (), locked: Mapping[str, str] = _NONE_LOCKED
) -> ResolvedRecipe:
    """The canonical form of a recipe for a model with these layers; raises Refused for unknown ones.

    groups: what the recipe's rules say of the model's groups, which `apply` finds out. locked: layers that
    no rule may speak of, with the reason; a rule that speaks of others too passes over them.
    """
    taken: list[tuple[str, tuple[Step, ...]]] = []
    first = _FirstMatch(recipe, frozenset(names))
    for name in names:
        rule = first.of(name)
        if rule is None or not rule.steps:
            continue
        if rule.steps[0].stage is not Stage.FACTOR:
            taken.append((name, rule.steps))
            continue
        inputs = tuple(s for s in rule.steps if s.stage is Stage.INPUTS)
        taken.append((name, rule.steps[:1] + inputs))
        taken.extend(_small_layers(recipe, name, rule, names))
    _check_every_rule_speaks(recipe, names, [name for name, _ in taken], locked)
    layers = tuple((name, steps) for name, steps in taken if steps)
    return ResolvedRecipe(layers, groups, recipe.prepare, recipe.correct, recipe.calibration)


def layer_is_locked(name: str, reason: str) -> Refused:
    """Why no rule may speak of a layer."""
    return Refused("{layer} is locked: {reason}. Leave this layer out.", layer=name, reason=reason)


class _FirstMatch:
    """Which rule speaks of a name: one for each of many layers is looked up, patterns are tried."""

    def __init__(self, recipe: Recipe, names: Collection[str]) -> None:
        self._names, self._own = names, dict[str, int]()
        self._rules, self._patterns = recipe.layers, list[int]()
        for place, rule in enumerate(recipe.layers):
            if rule.match in names:
                self._own.setdefault(rule.match, place)
            else:
                self._patterns.append(place)

    def of(self, name: str) -> Rule | None:
        """The first rule that matches."""
        own = self._own.get(name, len(self._rules))
        before = (place for place in self._patterns if place < own)
        found = next((place for place in before if self._rules[place].matches(name, self._names)), own)
        return self._rules[found] if found < len(self._rules) else None


def _small_layers(
    recipe: Recipe, name: str, factoring: Rule, names: Sequence[str]
) -> list[tuple[str, tuple[Step, ...]]]:
    small = []
    parts = [f"{name}.{index}" for index in range(factoring.steps[0].method.parts)]
    for index, part in enumerate(parts):
        there = [*names, *parts]
        speaking = (r for r in recipe.layers if r.matches(part, there) and not r.matches(name, there))
        own = next(speaking, None)
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


def _without_inputs(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(s for s in steps if s.stage is not Stage.INPUTS)


def _check_every_rule_speaks(
    recipe: Recipe, names: Sequence[str], small: Sequence[str], locked: Mapping[str, str]
) -> None:
    there = dict.fromkeys([*names, *small])
    for rule in recipe.layers:
        if rule.match in there or any(rule.matches(name, there) for name in there):
            continue
        for name, reason in locked.items():
            if rule.matches(name, locked) or rule.match.startswith(f"{name}."):
                raise layer_is_locked(name, reason)
        stem, _, index = rule.match.rpartition(".")
        if stem in names and index.isdecimal():
            _refuse_part(recipe, stem, rule.match, names)
        if not names:
            raise Refused(
                "No layer matches {match!r}: the model has no layer with weights that can be compressed. "
                "Leave the recipe empty, or give another model.",
                match=rule.match,
            )
        raise Refused(
            "No layer matches {match!r}; the layers are {names}: correct the name.",
            match=rule.match,
            names=", ".join(names[:12]) + (", ..." if len(names) > 12 else ""),
        )


def _refuse_part(recipe: Recipe, stem: str, match: str, names: Sequence[str]) -> NoReturn:
    """A rule for a part of a layer that is not factored, or not into so many parts."""
    rule = _FirstMatch(recipe, frozenset(names)).of(stem)
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
