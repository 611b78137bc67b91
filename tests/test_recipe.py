"""Recipes: what is refused says what to change; the canonical form does not depend on how it was written."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_core.foundation.errors import Refused
from compress_core.recipe.edit import with_group
from compress_core.recipe.reading import parse_recipe, read_recipe, read_resolved
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, ResolvedRecipe, Rule, Step
from compress_core.techniques.contract.technique import Stage

NAMES = ["conv1", "conv2", "fc1", "fc2"]


def resolved(text: str):
    return resolve(read_recipe(text), NAMES)


def rules(*lines: str) -> str:
    return "version: 2\nlayers:\n" + "".join(f"  - {line}\n" for line in lines)


def steps_of_fc1(steps: str) -> str:
    return rules(f"{{match: fc1, steps: [{steps}]}}")


ERRORS = {
    "- a\n- b": "A recipe is a mapping with version and layers, but this is a list: see the example on Tune.",
    "half": "but this is a str",
    "version: 3": "The recipe has version 3, but this release reads versions 1 and 2: convert it",
    "version: '1'": "The recipe has version '1', but",
    "version: true": "The recipe has version True, but",
    "layer: []": (
        "A recipe has no section 'layer'; it has version, calibration, prepare, groups, layers, correct: "
        "rename it."
    ),
    **{
        f"calibration: {bad}": f"as in {{items: 256}}, but got {got}: correct it or leave it out for all"
        for bad, got in {
            "7": "7",
            "{items: 0}": "{'items': 0}",
            "{items: true}": "{'items': True}",
            "{items: '9'}": "{'items': '9'}",
            "{items: 2.5}": "{'items': 2.5}",
            "{items: 9, split: test}": "{'items': 9, 'split': 'test'}",
            "[9]": "[9]",
            "{}": "{}",
        }.items()
    },
    "groups: [{match: a}]": "The group rule for a has 0 steps, but a group is cut once: give it one step.",
    "groups: [{match: a, steps: [uniform]}]": "uniform cannot choose channels, so it cannot stand in groups",
    "groups: [{match: a, steps: [{technique: magnitude, sparsity: 0.5}]}]": (
        "magnitude has no knob sparsity; it has share_removed, scope, aggregate, multiple_of"
    ),
    "prepare: [magnitude]": "magnitude does not belong under prepare: move it to the steps of a layer.",
    "correct: magnitude": "correct must be a list, but it is a str",
    rules("{match: fc1, inputs: [magnitude]}"): "magnitude does not belong under inputs of fc1: move it to",
    "layers: {match: fc1}": "layers must be a list, but it is a dict: put a dash before each entry.",
    "layers: fc1": "layers must be a list, but it is a str",
    "layers: 0": "layers must be a list, but it is a int",
    rules("fc1"): "A rule needs match with a layer name or pattern, but got 'fc1': add it.",
    rules("{steps: []}"): "A rule needs match with a layer name or pattern, but got {'steps': []}: add it.",
    rules(
        "{match: fc1, step: []}"
    ): "The rule for fc1 has an unknown key step; it has inputs, match, steps: remove",
    rules("{match: fc1, steps: magnitude}"): "steps of fc1 must be a list, but it is a str",
    steps_of_fc1("{bits: 4}"): "A step needs technique with a name, but got {'bits': 4}: add it.",
    steps_of_fc1("7"): "A step needs technique with a name, but got 7: add it.",
    steps_of_fc1("magnitudes"): "No technique is called 'magnitudes'; did you mean magnitude.",
    steps_of_fc1("quux"): "No technique is called 'quux'; choose one of",
    steps_of_fc1(
        "{technique: uniform, bit: 4}"
    ): "uniform has no knob bit; it has bits, granularity, narrow_range: correct",
    steps_of_fc1(
        "{technique: uniform, cls: 4}"
    ): "uniform has no knob cls; it has bits, granularity, narrow_range: correct",
    steps_of_fc1("{technique: uniform, bits: 9}"): "uniform: bits got 9, but input should be less",
    steps_of_fc1(
        "{technique: uniform, granularity: group}"
    ): "it must look like one of per_tensor, per_channel, per_group:16",
    steps_of_fc1("uniform, magnitude"): (
        "fc1 has uniform before magnitude, but the order is factor, prune, quantize: swap them."
    ),
    steps_of_fc1("magnitude, low_rank"): "fc1 has magnitude before low_rank, but the order is",
    steps_of_fc1("magnitude, random_pruning"): (
        "fc1 has two steps that prune, magnitude and random_pruning: keep one of them."
    ),
    "layers: [": "The recipe is not valid YAML (while parsing",
    "layers: !!python/object:os.system {}": "The recipe uses the tag 'tag:yaml.org,2002:python/object:os.sys",
    "layers: !!binary aGk=": "The recipe uses the tag 'tag:yaml.org,2002:binary' in line 1: a recipe has",
    "layers: !mine []": "The recipe uses the tag '!mine' in line 1",
    "a: 1\nb: &x [1]": "The recipe uses '&x' in line 2: a recipe has no anchors and aliases.",
    "layers: *x": "The recipe uses '*x' in line 1",
    "layers: &x []\ngroups: *x": "The recipe uses '&x' in line 1",
    rules(
        "<<: {match: fc1}"
    ): "A rule needs match with a layer name or pattern, but got {'<<': {'match': 'fc1'}}",
    rules("<<: {match: a}", "{match: fc1}"): "A rule needs match",
    "- "
    * 20: "The recipe holds more than 40,000 names and values, or more than 16 of them inside each other",
    "{a: " * 20: "The recipe holds more than",
    "x" * 400_001: "The recipe has 400,001 characters; at most 400,000 are read.",
    f"version: {'9' * 5000}": "The recipe is not valid YAML (Exceeds the limit",
    f"version: {'9' * 4000}": "The recipe has version a number of very many digits, but this release reads",
    rules(f"{{match: {'a*' * 501}, steps: []}}"): "A rule has a match of 1,002 characters; it may have 1,000",
    steps_of_fc1("magnitude, " * 65): "steps of fc1 has 65 entries; at most 64 are read",
    steps_of_fc1("{technique: magnitude, sparsity: true}"): (
        "magnitude: sparsity got True, but input should be a valid number: change the value."
    ),
    steps_of_fc1(
        "{technique: magnitude, sparsity: '0.5'}"
    ): "magnitude: sparsity got '0.5', but input should be",
    steps_of_fc1(
        "{technique: uniform, bits: '4'}"
    ): "uniform: bits got '4', but input should be a valid integer",
    steps_of_fc1(
        "{technique: uniform, bits: true}"
    ): "uniform: bits got True, but input should be a valid integer",
    steps_of_fc1(
        "{technique: low_rank, rank: '3'}"
    ): "low_rank: rank got '3', but input should be a valid int",
    steps_of_fc1(f"{{technique: magnitude, sparsity: {'9' * 400}}}"): "magnitude: sparsity got 9999",
    steps_of_fc1(
        f"{{technique: uniform, bits: {'9' * 4000}}}"
    ): "uniform: bits got a number of very many digits",
    steps_of_fc1(
        "{technique: magnitude, sparsity: 1e999}"
    ): "magnitude: sparsity got inf, but input should be a",
    "when: 2001-99-99": "A recipe has no section 'when'",
    "[" * 1500: "The recipe holds more than",
    "layers: []\nlayers: []": "The recipe is not valid YAML (layers twice in",
    steps_of_fc1("{technique: uniform, bits: 4, bits: 8}"): "The recipe is not valid YAML (bits twice in",
    rules("{match: fc9, steps: [magnitude]}"): (
        "No layer matches 'fc9'; the layers are conv1, conv2, fc1, fc2: correct the name."
    ),
    rules("{match: fc1.0, steps: [uniform]}"): (
        "fc1.0 is a part of fc1, which this recipe does not factor: add low_rank to fc1."
    ),
    rules("{match: fc1, steps: [low_rank]}", "{match: fc1.2, steps: [magnitude]}"): (
        "fc1.2 is no part of fc1, which low_rank replaces by 2 layers, counted from 0: correct the number."
    ),
    rules("{match: fc1, steps: [low_rank]}", "{match: fc1.0, steps: [low_rank]}"): (
        "fc1.0 is already a factor of fc1 and cannot be factored again: "
        "remove that step or narrow the rule fc1.0."
    ),
}


@pytest.mark.parametrize(("text", "sentence"), ERRORS.items(), ids=[t[-50:] for t in ERRORS])
def test_a_recipe_that_cannot_be_read_is_refused_with_what_to_change(text, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)):
        resolved(text)


def test_a_file_of_aliases_is_refused_in_a_short_sentence():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    content = yaml.safe_load("\n".join(lines))
    for recipe in ({"layers": [content["a29"]]}, {"layers": [{"match": "fc1", "steps": [content["a29"]]}]}):
        with pytest.raises(Refused) as refused:
            parse_recipe(recipe)
        assert len(str(refused.value)) < 1000


def test_twenty_thousand_rules_are_refused_before_any_is_read():
    many = {"layers": [{"match": "fc1", "steps": ["no such technique"]}] * 20_000}
    with pytest.raises(Refused, match="layers has 20,000 entries; at most 2,048 are read: use patterns"):
        parse_recipe(many)
    with pytest.raises(Refused, match="layers has 20,000 entries"):
        read_resolved([["fc1", ["no such technique"]]] * 20_000)


@pytest.mark.slow
def test_forty_thousand_values_are_counted_before_one_is_made():
    with pytest.raises(Refused, match="more than 40,000 names and values"):
        read_recipe("layers: [" + "0," * 40_001 + "]")


@pytest.mark.parametrize("section", ["layer", "training", "<<"])
def test_a_section_that_is_not_understood_is_refused_in_a_link_too(section):
    with pytest.raises(Refused, match=f"A recipe has no section '{section}'"):
        read_resolved({"layers": [], section: []})


def test_a_link_of_a_later_version_is_refused():
    with pytest.raises(Refused, match="The recipe has version 7"):
        read_resolved({"version": 7, "layers": []})


def test_a_layer_of_a_link_without_steps_is_left_alone():
    assert read_resolved([["fc1", None]]) == ResolvedRecipe((("fc1", ()),))


def test_a_rule_of_a_link_is_called_by_a_text():
    with pytest.raises(Refused, match="damaged or cut off at"):
        read_resolved([[["fc1"], ["magnitude"]]])


def test_a_number_may_be_whole_and_written_with_a_point():
    step = read_recipe(steps_of_fc1("{technique: uniform, bits: 4.0}")).layers[0].steps[0]
    assert step == Step.of("uniform", bits=4)


def test_an_empty_file_is_the_empty_recipe():
    assert read_recipe("") == Recipe() == read_recipe("version: 1") == read_recipe("layers:")
    assert resolved("").layers == ()


def test_the_first_rule_that_matches_wins():
    found = resolved(
        rules("{match: fc1, steps: [{technique: uniform, bits: 4}]}", "{match: '*', steps: [magnitude]}")
    )
    assert [s.technique for s in found.by_layer["fc1"]] == ["uniform"]
    assert [s.technique for s in found.by_layer["fc2"]] == ["magnitude"]


def test_an_empty_rule_shields_a_layer_from_later_ones():
    found = resolved(rules("{match: conv1, steps: []}", "{match: 'conv*', steps: [magnitude]}"))
    assert list(found.by_layer) == ["conv2"]


@pytest.mark.parametrize(
    "other",
    [
        steps_of_fc1("{technique: magnitude, sparsity: 0.5, scope: layer, pattern: unstructured}"),
        steps_of_fc1("{technique: magnitude, sparsity: 0.5000004}"),
        rules("{match: 'fc[1]', steps: [magnitude]}"),
        rules("{match: fc1, steps: [magnitude]}", "{match: 'fc2', steps: []}"),
        rules("{match: fc2, steps: []}", "{match: 'fc*', steps: [{technique: magnitude}]}"),
        '{"version": 1, "layers": [{"match": "fc1", "steps": [{"technique": "magnitude"}]}], "groups": []}',
    ],
)
def test_the_sha_does_not_depend_on_how_a_recipe_is_written(other):
    assert resolved(other).sha == resolved(rules("{match: fc1, steps: [magnitude]}")).sha


def test_the_sha_does_not_depend_on_the_order_of_rules_that_do_not_overlap():
    one, two = "{match: fc1, steps: [magnitude]}", "{match: conv1, steps: [uniform]}"
    assert resolved(rules(one, two)).sha == resolved(rules(two, one)).sha


@pytest.mark.parametrize(
    "other",
    [
        rules("{match: fc2, steps: [magnitude]}"),
        rules("{match: fc1, steps: [{technique: magnitude, sparsity: 0.501}]}"),
        rules("{match: fc1, steps: [random_pruning]}"),
        rules("{match: fc1, steps: [magnitude, uniform]}"),
        "",
    ],
)
def test_another_recipe_has_another_sha(other):
    assert resolved(other).sha != resolved(rules("{match: fc1, steps: [magnitude]}")).sha


def test_a_pattern_has_one_form_with_and_without_its_sparsity():
    with_it = Step.of("magnitude", pattern="1:4", sparsity=0.75)
    assert with_it == Step.of("magnitude", pattern="1:4")
    assert with_it.as_json() == {"technique": "magnitude", "pattern": "1:4"}
    assert Step.of("magnitude", **dict(with_it.knobs)) == with_it


def test_a_share_finer_than_the_slider_stays_and_noise_in_the_last_digits_goes():
    assert Step.of("magnitude", sparsity=0.9995).as_json()["sparsity"] == 0.9995
    assert Step.of("magnitude", sparsity=0.1 + 0.2).as_json()["sparsity"] == 0.3


def test_a_value_beside_an_excluded_bound_snaps_to_a_place_that_is_allowed():
    energy = Step.of("low_rank", energy=1e-9)
    assert energy.as_json() == {"technique": "low_rank", "energy": 1e-6}
    assert Step.of("low_rank", **dict(energy.knobs)) == energy


def test_after_factoring_later_steps_stand_under_the_small_layers():
    found = resolved(
        rules(
            "{match: fc1, steps: [{technique: low_rank, rank: 4}, {technique: uniform, bits: 8}]}",
            "{match: fc1.1, steps: [{technique: magnitude, sparsity: 0.9}]}",
        )
    )
    assert [(name, [s.technique for s in steps]) for name, steps in found.layers] == [
        ("fc1", ["low_rank"]),
        ("fc1.0", ["uniform"]),
        ("fc1.1", ["magnitude"]),
    ]
    assert found.step("fc1", Stage.FACTOR).knobs.rank == 4
    assert found.step("fc1", Stage.PRUNE) is None


@pytest.mark.parametrize("name", ["blocks[0]", "a[1-3]", "odd*name", "what?", "[!x]", "a[[]b"])
def test_a_match_that_is_a_layers_own_name_means_that_layer_alone(name):
    others = ["blocks0", "a1", "a2", "oddest_name", "whats", "y", "a[b"]
    step = "steps: [{technique: uniform, bits: 4}]"
    found = resolve(read_recipe(f"layers: [{{match: '{name}', {step}}}]"), [*others, name])
    assert [layer for layer, _ in found.layers] == [name]
    assert resolve(found.as_recipe(), [*others, name]) == found


def test_brackets_stay_a_choice_of_characters_where_no_layer_is_called_so():
    found = resolve(read_recipe(rules("{match: 'conv[1-2]', steps: [uniform]}")), NAMES)
    assert [layer for layer, _ in found.layers] == ["conv1", "conv2"]


@pytest.mark.parametrize(
    ("written", "name"),
    [("3", "3"), ("0", "0"), ("007", "007"), ("1.10", "1.10"), ("-1", "-1"), ("1e3", "1e3"), ("off", "off")],
)
def test_a_name_that_looks_like_a_number_needs_no_quotes(written, name):
    text = f"layers: [{{match: {written}, steps: [{{technique: uniform, bits: 4}}]}}]"
    assert [rule.match for rule in read_recipe(text).layers] == [name]
    assert read_recipe(f"groups: [{{match: {written}, steps: [magnitude]}}]").groups[0].match == name


def test_a_number_that_came_as_one_is_a_name_where_it_is_whole_and_refused_where_it_lost_its_zeros():
    rule = {"match": 3, "steps": ["uniform"]}
    assert parse_recipe({"layers": [rule]}).layers[0].match == "3"
    for match in (1.1, True):
        with pytest.raises(Refused, match=f"has {match} for its match, which is no name: put it in quotes"):
            parse_recipe({"layers": [rule | {"match": match}]})


def test_a_name_with_wildcard_characters_can_be_meant():
    recipe = Recipe((Rule("odd[*]", (Step.of("magnitude"),)),))
    found = resolve(Recipe((Rule("*", recipe.layers[0].steps),)), ["odd*", "odd[1]"])
    assert resolve(found.as_recipe(), ["odd*", "odd[1]"]) == found


steps = st.lists(
    st.one_of(
        st.builds(
            lambda s, c: Step.of("magnitude", sparsity=s, scope=c),
            st.floats(0, 1),
            st.sampled_from(["row", "layer", "network"]),
        ),
        st.builds(
            lambda b, p: Step.of("uniform", bits=b, granularity=p),
            st.integers(2, 8),
            st.sampled_from(["per_tensor", "per_group:8"]),
        ),
        st.builds(lambda r: Step.of("low_rank", rank=r), st.integers(1, 9)),
    ),
    max_size=3,
    unique_by=lambda s: s.stage,
).map(lambda found: tuple(sorted(found, key=lambda s: s.stage)))
recipes = st.lists(st.builds(Rule, st.sampled_from([*NAMES, "*", "conv*", "fc?"]), steps), max_size=4).map(
    lambda found: Recipe(tuple(found))
)


@pytest.mark.slow
@settings(max_examples=40)
@given(recipes)
def test_a_recipe_survives_its_file_and_its_canonical_form(recipe):
    assert read_recipe(recipe.as_yaml()) == recipe
    found = resolve(recipe, NAMES)
    assert resolve(found.as_recipe(), NAMES) == found
    assert resolve(read_recipe(found.as_recipe().as_yaml()), NAMES).sha == found.sha


@settings(max_examples=40)
@given(recipes)
def test_equal_recipes_are_equal_values(recipe):
    assert hash(recipe) == hash(read_recipe(recipe.as_yaml()))


def test_a_pattern_need_not_be_quoted_in_yaml() -> None:
    recipe = read_recipe(rules("{match: fc1, steps: [{technique: magnitude, pattern: 2:4}]}"))
    assert recipe.layers[0].steps[0].as_json() == {"technique": "magnitude", "pattern": "2:4"}


def test_a_resolved_recipe_survives_its_plain_values():
    recipe = read_recipe("""
groups: [{match: "conv1", steps: [{technique: magnitude, share_removed: 0.25, scope: network}]}]
layers: [{match: "fc[*]1", steps: [low_rank, magnitude, {technique: uniform, bits: 4}]}]
""")
    groups = (("conv1", recipe.groups[0].steps),)
    found = resolve(recipe, ["conv1", "fc*1"], groups)
    assert [name for name, _ in found.layers] == ["fc*1", "fc*1.0", "fc*1.1"]
    assert read_resolved(json.loads(json.dumps(found.as_json()))) == found
    assert resolve(found.as_recipe(), ["conv1", "fc*1"], groups) == found


def test_the_name_of_a_result_is_that_of_its_layers_alone_where_nothing_else_is_done():
    layers = (("a", (Step.of("magnitude"),)),)
    assert ResolvedRecipe(layers).as_json() == [["a", [{"technique": "magnitude"}]]]
    cut = ResolvedRecipe(layers, (("a", (Step.of_group("magnitude"),)),))
    assert cut.sha != ResolvedRecipe(layers).sha
    assert cut.structure_sha == replace(cut, layers=()).sha != ResolvedRecipe(layers).structure_sha


@pytest.mark.parametrize("values", [[["a"]], [["a", 3]], {"layers": 3}, [[["technique"]]], "text", 7])
def test_damaged_plain_values_are_refused(values):
    with pytest.raises(Refused):
        read_resolved(values)


def test_groups_of_a_recipe_stand_in_the_order_in_which_people_count() -> None:
    recipe = ResolvedRecipe(())
    for name in ("layers.10.fc", "head", "layers.2.fc", "layers.2", "1", "layers.2.fc#2"):
        recipe = with_group(recipe, name, Step.of_group("magnitude", share_removed=0.5))
    names = [name for name, _ in recipe.groups]
    assert names == ["1", "head", "layers.2", "layers.2.fc", "layers.2.fc#2", "layers.10.fc"]
