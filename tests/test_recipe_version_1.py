"""Recipes of version 1: files, links and jobs still say what they said, and go out as version 2."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compress_core.foundation.errors import Refused
from compress_core.recipe.reading import parse_recipe, read_recipe, read_resolved
from compress_core.recipe.resolving import resolve
from compress_core.recipe.version_1 import NAMES
from compress_core.techniques.contract.input_rules import DynamicGrid, rule_from_json
from compress_core.techniques.contract.technique import Stage, technique_named

LAYERS = ["conv1", "fc1"]
ROOMS = {"tensor": "per_tensor", "row": "per_channel", "group:16": "per_group:16"}
WORDS = {
    **dict.fromkeys(NAMES, ROOMS),
    "kmeans": {"tensor": "per_tensor", "row": "per_channel"},
    "dynamic_range": {"batch": "per_tensor", "item": "per_item"},
}
TWINS = [(technique, old, new) for technique, words in WORDS.items() for old, new in words.items()]


def rule(layer: str, technique: str, knob: str, word: str, bits: int) -> dict[str, object]:
    step = {"technique": technique, "bits": bits, knob: word}
    at_input = technique_named(technique).stage is Stage.INPUTS
    before = [] if at_input else [{"technique": "magnitude", "sparsity": 0.5}, step]
    return {"match": layer, "steps": before, "inputs": [step] if at_input else []}


@given(st.lists(st.tuples(st.sampled_from(LAYERS), st.sampled_from(TWINS), st.integers(2, 8)), max_size=3))
def test_a_recipe_of_version_1_reads_to_the_same_resolved_recipe_as_its_twin(chosen) -> None:
    old = [rule(layer, name, NAMES[name], word, bits) for layer, (name, word, _), bits in chosen]
    new = [rule(layer, name, "granularity", word, bits) for layer, (name, _, word), bits in chosen]
    twin = resolve(parse_recipe({"version": 2, "layers": new}), LAYERS)
    read = resolve(read_recipe(yaml.safe_dump({"version": 1, "layers": old})), LAYERS)
    assert (read, read.sha) == (twin, twin.sha)
    assert read_resolved([[r["match"], [*r["steps"], *r["inputs"]]] for r in old]).layers == tuple(
        (r["match"], parse_recipe({"version": 2, "layers": [r]}).layers[0].steps) for r in new
    )


@pytest.mark.parametrize(("technique", "old", "new"), TWINS)
def test_what_was_read_as_version_1_is_written_as_version_2(technique: str, old: str, new: str) -> None:
    read = parse_recipe({"version": 1, "layers": [rule("fc1", technique, NAMES[technique], old, 3)]})
    written = yaml.safe_load(read.as_yaml())
    assert written["version"] == 2
    (step,) = [s for key in ("steps", "inputs") for s in written["layers"][0].get(key, []) if "bits" in s]
    default = technique_named(technique).knobs.model_fields["granularity"].default
    assert step.get("granularity", default) == new


@pytest.mark.parametrize(
    ("version", "step", "sentence"),
    [
        (
            2,
            {"technique": "uniform", "scale_per": "row"},
            "uniform has no knob scale_per; it has bits, granul",
        ),
        (1, {"technique": "uniform", "per": "row"}, "uniform has no knob per; it has bits, granularity"),
        (1, {"technique": "uniform", "scale_per": "rows"}, "granularity got 'rows', but it must look like"),
        (1, {"technique": "uniform", "scale_per": 3}, "granularity got 3, but"),
        (1, {"technique": "kmeans", "table_per": "group:8"}, "granularity got 'per_group:8', but"),
        (1, {"technique": "uniform", "scale_per": "row", "granularity": "per_tensor"}, "no knob scale_per"),
    ],
)
def test_words_of_neither_version_are_refused(version: int, step: dict[str, object], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        parse_recipe({"version": version, "layers": [{"match": "fc1", "steps": [step]}]})


@pytest.mark.parametrize(("old", "new"), WORDS["dynamic_range"].items())
def test_a_file_that_was_written_with_version_1_keeps_its_rule_for_inputs(old: str, new: str) -> None:
    assert rule_from_json({"kind": "dynamic_grid", "bits": 4, "per": old}) == DynamicGrid(4, new)


@pytest.mark.parametrize("said", [{"per": "row"}, {"per": []}, {"granularity": "per_channel"}, {}])
def test_a_range_of_another_granularity_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(Refused, match="names a rule for inputs that this release does not know"):
        rule_from_json({"kind": "dynamic_grid", "bits": 4, **said})
