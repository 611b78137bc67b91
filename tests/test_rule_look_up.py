"""Which rule speaks of a layer: the first that matches, found without trying every rule on every layer."""

from __future__ import annotations

from collections.abc import Container

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.foundation.errors import Refused
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, Rule, Step

_NAMES = ("a", "b", "a.b", "ab", "b.0", "[ab]")
_MATCHES = st.sampled_from([*_NAMES, "*", "a*", "?", "*.?", "[ab]*", "b.[0-9]"])
_STEP = [Step.of("magnitude", sparsity=share / 20) for share in range(1, 12)]


@given(st.lists(_MATCHES, min_size=1, max_size=10))
def test_the_first_rule_that_matches_speaks_whether_it_names_a_layer_or_a_pattern(matches: list[str]) -> None:
    recipe = Recipe(tuple(Rule(match, (_STEP[at],)) for at, match in enumerate(matches)))
    slow = [next((r for r in recipe.layers if r.matches(name, _NAMES)), None) for name in _NAMES]
    try:
        found = resolve(recipe, _NAMES).by_layer
    except Refused:
        assert any(not any(rule.matches(name, _NAMES) for name in _NAMES) for rule in recipe.layers)
        return
    assert {name: tuple(steps) for name, steps in found.items()} == {
        name: rule.steps for name, rule in zip(_NAMES, slow, strict=True) if rule is not None
    }


def test_as_many_rules_as_layers_are_looked_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = [f"layers.{n}.fc" for n in range(300)], list[str]()
    matches = Rule.matches

    def counted(rule: Rule, name: str, there: Container[str]) -> bool:
        asked.append(name)
        return matches(rule, name, there)

    monkeypatch.setattr(Rule, "matches", counted)
    rules = tuple(Rule(name, (_STEP[0],)) for name in names)
    assert len(resolve(Recipe((*rules, Rule("*", (_STEP[1],)))), names).layers) == 300
    assert len(asked) <= 2 * len(names)
