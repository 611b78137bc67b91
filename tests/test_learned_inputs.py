"""Steps at the inputs of layers learn, and what is stored of them is what was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.trained import trained_model
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.deliver.plain_container import read_container, write_container
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.recipe.reading import parse_recipe
from compress_core.techniques.contract.input_rules import StaticGrid
from compress_core.training.hook_calls import parametrized
from compress_core.training.learned_inputs import on_learned_grid
from compress_core.training.trainee import trainee_of
from tests.test_training import assert_equal, epochs_of
from tests.training_cases import STORE, run_of, table, trained

STATIC = {"technique": "static_range", "bits": 3}
WEIGHTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "inputs alone": (),
    "weights as well": ({"technique": "uniform", "bits": 4},),
    "factors": ({"technique": "low_rank", "rank": 2},),
}
PLAN: dict[str, Any] = {"methods": ["qat"], "learning_rate": 0.01}


def rounded(*steps: dict[str, Any], rule: dict[str, Any] = STATIC) -> Model:
    layers = [{"match": "*", "steps": list(steps), "inputs": [rule]}]
    return compress(table(), parse_recipe({"layers": layers}), STORE)


def grids_of(model: Model) -> dict[str, StaticGrid]:
    return {
        name: rule for name, rules in model.inputs.items() for rule in rules if isinstance(rule, StaticGrid)
    }


@pytest.mark.parametrize("steps", WEIGHTS.values(), ids=WEIGHTS)
def test_steps_learn_and_files_answer_as_the_trained_network(
    steps: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    model = rounded(*steps)
    weights = from_bytes(to_bytes(trained(model, **PLAN).weights))
    found = trained_model(model, run_of(model, **PLAN).operation, weights, "key")
    before, after = grids_of(model), grids_of(found)
    assert before.keys() == after.keys() != set()
    assert all((before[n].bits, before[n].zero_point) == (after[n].bits, after[n].zero_point) for n in before)
    assert all(before[n].scale != after[n].scale for n in before)
    write_container(found, tmp_path / "plain.safetensors")
    write_packed(found, tmp_path / "small.slim")
    inputs = model.subject.split("test").inputs
    with torch.inference_mode():
        answers = found.network()(inputs)
        for read in (
            read_container(tmp_path / "plain.safetensors", model.subject),
            read_packed(tmp_path / "small.slim", model.subject),
        ):
            assert torch.equal(read.eval()(inputs), answers)


def test_what_is_stored_rounds_as_the_training_did() -> None:
    model = rounded()
    run = run_of(model, **PLAN)
    trainee = parametrized(trainee_of(model), run.plan)
    with torch.no_grad():
        for learned in trainee.learned.values():
            for name in learned.keys() - {"weight"}:
                learned[name].mul_(0.73)
    inputs = model.subject.split("test").inputs
    found = trained_model(model, run.operation, trainee.encoded(), "key").network()
    assert {grid.scale for grid in grids_of(model).values()}.isdisjoint(
        rule.scale
        for rules in trainee.encoded().inputs.values()
        for rule in rules
        if isinstance(rule, StaticGrid)
    )
    trainee.network.eval()
    assert torch.equal(found(inputs), trainee.outputs(trainee.weights(), inputs))


def test_the_gradient_of_a_step_at_an_input_is_that_of_the_paper() -> None:
    grid = StaticGrid(0.5, 2, 3)  # from -2 to 5 steps
    values = torch.tensor([[-3.0, -0.4, 0.6], [0.1, 2.4, 9.0]], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    result = on_learned_grid(values, scale, grid)
    assert torch.equal(result, grid(values))
    result.sum().backward()
    slopes = torch.tensor([-2, -1 + 0.8, 1 - 1.2, 0 - 0.2, 5 - 4.8, 5])
    assert scale.grad is not None
    assert values.grad is not None
    torch.testing.assert_close(scale.grad, slopes.sum() / (3 * 5) ** 0.5)
    assert values.grad.tolist() == [[0, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize("method", ["fine_tune", "qat"])
def test_rules_that_no_method_speaks_of_stay(method: str) -> None:
    model = rounded({"technique": "uniform", "bits": 4})
    found = trained(model, methods=[{"method": method, **({"match": "fc1"} if method == "qat" else {})}])
    scales = {n: rule.scale for n, (rule,) in found.weights.inputs.items() if isinstance(rule, StaticGrid)}
    before = {n: grid.scale for n, grid in grids_of(model).items()}
    assert {n for n in before if before[n] != scales[n]} == ({"fc1"} if method == "qat" else set())


def test_a_training_with_steps_at_inputs_that_was_interrupted_comes_to_the_same_end() -> None:
    run = run_of(rounded(), epochs=2, batch_size=64, **PLAN)
    kept, whole = epochs_of(run)
    _, resumed = epochs_of(run, kept[0])
    assert_equal(resumed.weights, whole.weights)
    assert resumed.weights.inputs == whole.weights.inputs
