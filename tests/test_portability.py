"""What a runtime can use of a recipe, and why a bar is as long as it is."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from torch import nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.cost.portability import Trait, portability_texts, steps_of, targets, usable
from compress_core.measure.speed.facts import Facts, facts_of
from compress_core.measure.speed.latency import Bar
from compress_core.measure.speed.reasons import reason
from compress_core.measure.speed.runtime import runtime_named
from compress_core.recipe.values import Step
from tests.subjects import mlp_subject, rules, with_calibration

STEPS = {
    "zeros": Step.of("magnitude", sparsity=0.5),
    "zeros_2_4": Step.of("magnitude", pattern="2:4"),
    "zeros_structured": Step.of("magnitude", sparsity=0.5, pattern="column"),
    "grid": Step.of("uniform", bits=4),
    "grid_affine": Step.of("affine", bits=4),
    "power_of_two": Step.of("power_of_two"),
    "codebook": Step.of("kmeans"),
    "low_rank": Step.of("low_rank", rank=2),
}


def model_with(*steps: Step) -> Model:
    return compress(mlp_subject(), rules(fc1=tuple(steps)), Store())


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.id)
def test_every_target_says_what_becomes_of_every_trait_and_where_that_is_written(target) -> None:
    assert set(target.verdicts) == set(get_args(Trait))
    sources = [target.source, *(v.source for v in target.verdicts.values() if v.source)]
    assert all(re.fullmatch(r"https://[\w./~-]+", source) for source in sources)
    assert all(verdict.why.endswith(".") for verdict in target.verdicts.values())


def test_there_are_at_least_eight_targets_under_names_of_their_own() -> None:
    assert len({target.id for target in targets()}) == len(targets()) >= 8


def test_what_is_shown_can_be_translated() -> None:
    said = {text for _, text in portability_texts()}
    assert said >= {row.why for row in usable(model_with(STEPS["grid"]))} | {t.title for t in targets()}


@pytest.mark.parametrize("trait", STEPS)
def test_a_step_is_known_by_what_it_makes_of_a_layer(trait: str) -> None:
    (step,) = steps_of(model_with(STEPS[trait]))
    assert (step.trait, step.technique) == (trait, STEPS[trait].technique)
    assert step.layers[0].startswith("fc1")


def test_steps_stand_in_the_order_of_the_stages_and_equal_ones_are_one() -> None:
    both = (STEPS["zeros"], STEPS["grid"])
    model = compress(mlp_subject(), rules(fc1=both, fc2=both), Store())
    assert [(step.trait, step.layers) for step in steps_of(model)] == [
        ("zeros", ("fc1", "fc2")),
        ("grid", ("fc1", "fc2")),
    ]


def test_two_rules_at_one_input_are_each_known_by_what_they_make_of_it() -> None:
    sparse, rounded = Step.of("activation_threshold"), Step.of("static_range", bits=8)
    model = compress(with_calibration(mlp_subject()), rules(fc2=(sparse, rounded)), Store())
    assert [(step.technique, step.trait) for step in steps_of(model)] == [
        ("activation_threshold", "inputs_sparse"),
        ("static_range", "inputs_int8"),
    ]


def test_a_model_as_loaded_has_nothing_to_carry_over() -> None:
    assert usable(Model.original(mlp_subject())) == ()


def test_rows_tell_one_target_from_another() -> None:
    rows = {
        (row.target.id, row.step.trait): row for row in usable(model_with(STEPS["zeros_2_4"], STEPS["grid"]))
    }
    assert rows["tensorrt", "zeros_2_4"].use == "used"
    assert rows["onnxruntime_cpu", "zeros_2_4"].use == "lost"
    assert rows["onnxruntime_cpu", "grid"].use == "used"
    assert rows["torch_cpu", "grid"].use == "lost"
    assert "ampere" in rows["tensorrt", "zeros_2_4"].source


def bar(runtime: str, low: float, value: float, whose: str = "compressed", batch: int = 32) -> Bar:
    ratio = Number(value, "ratio", "measured", low, value + 0.1, 9)
    return Bar(runtime_named(runtime), whose, batch, Number(1.0, "ms", "measured"), ratio, ratio)


SPARSE = Facts(macs_kept=1.0, sparsity=0.9, bits=32, layers=8)


@pytest.mark.parametrize(
    ("bar", "facts", "said"),
    [
        (bar("torch", 0.9, 1.0), SPARSE, "zeros are multiplied like any other number"),
        (bar("onnxruntime", 0.9, 1.0), Facts(1, 0.9, 5, 8), "save bytes of the file, not time"),
        (bar("torch", 0.9, 1.0), Facts(1, 0, 5, 8), "Weights of 5 bits are decoded"),
        (bar("torch", 0.9, 1.0), Facts(1, 0, 32, 8), "the same operations"),
        (
            bar("torch", 3.0, 3.2),
            Facts(0.3, 0, 32, 8),
            "30% of the original's multiplications, and the time",
        ),
        (bar("torch", 1.4, 1.5), Facts(0.3, 0, 32, 8), "the time falls less"),
        (
            bar("torch", 0.9, 1.0, batch=1),
            Facts(0.3, 0, 32, 8),
            "a batch of 1 the time goes into calling 8",
        ),
        (bar("torch", 0.7, 0.8), Facts(1.5, 0, 32, 8), "1.50 times as often"),
        (
            bar("torch_variants", 2.0, 2.5),
            Facts(1, 0.9, 32, 8, 3),
            "3 of 8 layers run in a kernel variant that skips zeros",
        ),
        (bar("torch_variants", 0.9, 1.0), Facts(1, 0.9, 32, 8, 3), "what stands between them"),
        (bar("torch_variants", 0.9, 1.0), SPARSE, "No layer is surely faster"),
        (bar("torch_bf16", 0.9, 1.1), SPARSE, "zeros are multiplied like any other number"),
        (bar("torch_bf16", 1.5, 1.6), SPARSE, "8 instead of 24 bits"),
        (bar("onnxruntime_int8", 1.5, 1.6), Facts(1, 0, 8, 8, 0, 8), "Bytes are multiplied"),
        (bar("onnxruntime_int8", 0.5, 0.6), Facts(1, 0, 8, 8, 0, 8), "rounding inputs and outputs costs"),
        (bar("onnxruntime_int8", 0.9, 1.0), SPARSE, "No layer has both codes and a rounded input"),
        (bar("torch", 1.0, 1.0, "original"), SPARSE, "The model as loaded"),
    ],
)
def test_each_bar_has_its_reason(bar: Bar, facts: Facts, said: str) -> None:
    assert said in reason(bar, facts)


def test_facts_are_counted_from_the_model() -> None:
    model = model_with(STEPS["zeros"], STEPS["grid"])
    facts = facts_of(model, Store(), other_variants=2)
    zeros = int((model.values("fc1") == 0).sum())
    assert facts == Facts(1.0, pytest.approx(zeros / (48 + 56 + 21)), 32, 3, 2)
    every = compress(mlp_subject(), rules(any=STEPS["grid"]), Store())
    assert facts_of(every, Store()).bits == 4
    factored = facts_of(model_with(STEPS["low_rank"]), Store())
    assert factored.macs_kept == pytest.approx((28 + 56 + 21) / 125)
    assert isinstance(model.network().get_submodule("fc1"), nn.Linear)


def test_a_layer_in_bytes_has_codes_and_a_rounded_input() -> None:
    encoded, rounded = Step.of("uniform", bits=8), Step.of("static_range")
    subject = with_calibration(mlp_subject())

    def whole(*steps: Step) -> int:
        return facts_of(compress(subject, rules(fc1=steps), Store()), Store()).whole_layers

    assert whole(encoded, rounded) == 1
    assert [whole(rounded), whole(encoded), whole(Step.of("kmeans"), rounded)] == [0, 0, 0]
