"""A step that changes nothing changes nothing: every technique at its no-op, on every layer of the zoo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache

import pytest
import torch
from torch import Tensor

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import attach_inputs, read_matrix, write_matrix
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.reading import parse_recipe
from compress_core.recipe.values import Recipe
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage, Technique, techniques
from tests.zoo import ZOO
from tests.zoo_subjects import subject_of

WHOLE = {"choose": "energy", "energy": 1.0}
NOTHING: dict[str, dict[str, object]] = {
    "cross_layer_equalization": {},
    "fold_batch_norm": {},
    "batch_norm_scale": {"share_removed": 0},
    "geometric_median": {"share_removed": 0},
    "mean_activation": {"share_removed": 0},
    "zero_activations": {"share_removed": 0},
    "low_rank": WHOLE,
    "spatial": WHOLE,
    "tucker": WHOLE,
    "whitened_low_rank": WHOLE,
    "magnitude": {"sparsity": 0},
    "random_pruning": {"sparsity": 0},
    "sparsegpt": {"sparsity": 0},
    "taylor": {"sparsity": 0},
    "threshold": {"share": 0},
    "wanda": {"sparsity": 0},
    "affine": {"bits": 8},
    "clipped": {"bits": 8, "narrow_range": True},
    "gptq": {"bits": 8},
    "kmeans": {"bits": 8},
    "power_of_two": {"bits": 8},
    "uniform": {"bits": 8, "narrow_range": True},
    "activation_threshold": {"share_kept": 1},
    "top_k": {"share_kept": 1},
    "bias_correction": {},
}
"""The knobs with which a technique changes nothing."""

NEVER_NOTHING = {
    "cut_zero_units": "where nobody is silent it refuses",
    "drop_block": "it takes a block away",
    "dynamic_range": "it rounds what arrives, whatever that is",
    "static_range": "it rounds what arrives, whatever that is",
    "normal_float": "its levels are fixed, and no weights lie on all of them",
    "reestimate_batch_norm": "the statistics of other items are others",
}
OF_ALL = {Stage.PREPARE, Stage.GROUPS}
THIN = ("residual", "grouped", "transposed", "tied", "multihead_attention", "transformer_encoder", "conv3d")
FEW = (
    "low_rank",
    "magnitude",
    "top_k",
    "activation_threshold",
    "fold_batch_norm",
    "uniform",
    "bias_correction",
)


SYMMETRIC = (127, 64, 32, -32, -64, -127)
FROM_ZERO, POWERS = (255, 128, 3, 0, 64, 200), (128, 64, 32, -32, -64)
ON_LEVELS = {
    "affine": FROM_ZERO,
    "clipped": SYMMETRIC,
    "gptq": FROM_ZERO,
    "kmeans": SYMMETRIC,
    "power_of_two": POWERS,
    "uniform": SYMMETRIC,
}
"""Weights, in units of 1/256, that the levels hold exactly; the first is the largest of each row."""


@cache
def _on_levels(name: str, levels: tuple[int, ...] | None) -> Subject:
    """The network with such weights, or with its own."""
    subject = subject_of(name)
    if levels is None:
        return subject
    network = shared_copy(subject.network)
    for layer in subject.layers:
        matrix = read_matrix(network, layer)
        drawn = torch.randint(
            0, len(levels), matrix.shape, generator=torch.Generator().manual_seed(layer.weights)
        )
        drawn[:, 0] = 0
        write_matrix(network, layer, torch.tensor(levels)[drawn] / 256)
    return replace(subject, network=network, digest=f"{subject.digest} on {levels}")


@cache
@torch.no_grad()
def _answers(name: str, levels: tuple[int, ...] | None) -> Tensor:
    """What the network says as it is."""
    subject = _on_levels(name, levels)
    answers: Tensor = subject.network(subject.split("validation").inputs)
    return answers


@lru_cache(maxsize=1)
def _store(name: str) -> Store:
    """What was found out about a network, its groups for one, serves the next technique too."""
    return Store()


def _recipe(method: Technique, match: str) -> Recipe:
    step = {"technique": method.name, **NOTHING[method.name]}
    match method.stage:
        case Stage.PREPARE:
            return parse_recipe({"prepare": [method.name]})
        case Stage.GROUPS:
            return parse_recipe({"groups": [{"match": "*", "steps": [step]}]})
        case Stage.INPUTS:
            return parse_recipe({"layers": [{"match": match, "inputs": [step]}]})
        case Stage.CORRECT:
            kept = {"technique": "magnitude", "sparsity": 0}
            return parse_recipe({"layers": [{"match": match, "steps": [kept]}], "correct": [method.name]})
    return parse_recipe({"layers": [{"match": match, "steps": [step]}]})


def _cases(name: str, methods: Iterator[Technique]) -> Iterator[tuple[Technique, str]]:
    layers = [layer.name for layer in subject_of(name).layers]
    for method in methods:
        yield from ((method, match) for match in (["*"] if method.stage in OF_ALL else layers))


@torch.no_grad()
def assert_nothing_changes(name: str, methods: Iterator[Technique]) -> int:
    """On each layer by itself: equal within rounding, or refused; how many were not refused."""
    done = 0
    for method, match in _cases(name, methods):
        levels = ON_LEVELS.get(method.name)
        subject = _on_levels(name, levels)
        try:
            model = compress(subject, _recipe(method, match), _store(name))
        except Refused:
            continue
        done += 1
        got, want = model.network()(subject.split("validation").inputs), _answers(name, levels)
        assert_equal_within_rounding(got, want, f"{method.name} on {match}")
    return done


def assert_equal_within_rounding(got: Tensor, want: Tensor, what: str) -> None:
    scale = max(1e-3, float(want.abs().max()))
    assert got.shape == want.shape, what
    assert float((got - want).abs().max()) < 2e-4 * scale, what


def test_every_technique_has_a_setting_that_changes_nothing_or_a_reason_why_not() -> None:
    assert set(techniques()) == {*NOTHING, *NEVER_NOTHING}
    assert not {*NOTHING} & {*NEVER_NOTHING}


@pytest.mark.parametrize("name", THIN)
def test_a_few_techniques_change_nothing_at_their_no_op(name: str) -> None:
    assert assert_nothing_changes(name, (techniques()[method] for method in FEW)) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("method", NOTHING)
@pytest.mark.parametrize("name", ZOO)
def test_a_step_that_changes_nothing_changes_nothing(name: str, method: str) -> None:
    if not subject_of(name).layers:
        return
    assert_nothing_changes(name, iter([techniques()[method]]))


def _layers(name: str) -> tuple[Layer, ...]:
    return subject_of(name).layers


@pytest.mark.parametrize("name", THIN)
@torch.no_grad()
def test_a_weight_written_anew_and_an_input_passed_on_change_no_bit(name: str) -> None:
    subject = subject_of(name)
    inputs, skeleton = subject.split("validation").inputs, shared_copy(subject.network)
    for layer in _layers(name):
        write_matrix(skeleton, layer, read_matrix(subject.network, layer).clone())
    assert torch.equal(skeleton(inputs), subject.network(inputs))
    for layer in _layers(name):
        attach_inputs(skeleton, layer, [lambda values: values])
    assert_equal_within_rounding(skeleton(inputs), subject.network(inputs), name)
