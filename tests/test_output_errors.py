"""The error of layers' outputs, against the layers themselves run on what hooks saw."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import VARIABLE
from compress_core.foundation.store import Store
from compress_core.measure.tables.layer_numbers import layer_frame
from compress_core.measure.tables.output_errors import error_of_output, layers_to_measure, output_errors
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.places import from_kernel, read_matrix
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from tests import zoo_subjects
from tests.heard import heard_layers
from tests.subjects import Mlp, everything_subject, rules, seeded, tiny_subject, with_calibration

NETWORKS = (
    *("everything", "grouped", "separable", "depth_multiplier", "transposed", "conv3d", "channel_shuffle"),
    *("shared_module", "multihead_attention", "transformer_encoder", "glu", "tied", "layer_norm"),
)


@cache
def subject_of(name: str) -> Subject:
    if name != "everything":
        return zoo_subjects.subject_of(name)
    subject = everything_subject()
    split = subject.split("validation")
    return replace(subject, splits={**subject.splits, "calibration": replace(split, name="calibration")})


@cache
def store_of(name: str) -> Store:
    """One for each network."""
    return Store()


def direct_error(subject: Subject, layer: Layer, after: Tensor) -> float:
    """||W x - W' x||^2 / ||W x||^2 with every module run in float64 on what a hook saw it read."""
    before = read_matrix(subject.network, layer).double()
    seen = [call for place in layer.places for call in _seen(subject, layer, place.module)]
    assert seen
    lost = sum(float(_output(m, layer, x, after - before).square().sum()) for m, x in seen)
    return lost / sum(float(_output(m, layer, x, before).square().sum()) for m, x in seen)


def _seen(subject: Subject, layer: Layer, name: str) -> list[tuple[nn.Module, Tensor]]:
    """The module of that name, which only stands for its form, with all that it is given."""
    network = copy.deepcopy(subject.network)
    owner, _, last = name.rpartition(".")
    module, around = network.get_submodule(name), network.get_submodule(owner)
    seen: list[tuple[nn.Module, Tensor]] = []
    if last == "out_proj" and isinstance(around, nn.MultiheadAttention):
        module.weight.copy_(torch.eye(len(module.weight)))
        if module.bias is not None:
            module.bias.zero_()
        around.register_forward_hook(lambda _m, _x, out: seen.append((module, out[0].clone())))
    elif isinstance(module, nn.MultiheadAttention):
        which = ("q_proj", "k_proj", "v_proj").index(layer.name.rpartition(".")[2])
        module.register_forward_hook(
            lambda m, x, k, _: seen.append((m, [*x, *k.values()][which].clone())), with_kwargs=True
        )
    else:
        module.register_forward_hook(lambda m, x, _: seen.append((m, x[0].clone())))
    with torch.no_grad():
        network(subject.split("calibration").inputs)
    return seen


def _output(module: nn.Module, layer: Layer, x: Tensor, matrix: Tensor) -> Tensor:
    if isinstance(module, nn.MultiheadAttention):
        return x.double() @ matrix.T
    twin = copy.deepcopy(module).double()
    kernel = from_kernel(matrix.view(layer.kernel_shape), layer.groups, layer.transposed)
    twin.weight = nn.Parameter(kernel, requires_grad=False)
    if twin.bias is not None:
        twin.bias.zero_()
    return twin(x.double())


def weight_after(model: Model, name: str) -> Tensor:
    return model.compressed[name].values.double()


@pytest.mark.parametrize("name", ["grouped", "transposed", "tied", "multihead_attention"])
@pytest.mark.parametrize("factored", [False, True])
def test_error_is_that_of_the_layers_themselves_on_what_they_read(name: str, factored: bool) -> None:
    assert_every_error_is_direct(name, 0.4, 3, factored)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=3)
@given(st.floats(0.2, 0.9), st.integers(2, 6), st.booleans())
def test_error_is_direct_for_every_kind_of_layer_and_change(
    name: str, share: float, bits: int, factored: bool
) -> None:
    assert_every_error_is_direct(name, share, bits, factored)


def assert_every_error_is_direct(name: str, share: float, bits: int, factored: bool) -> None:
    subject, store = subject_of(name), store_of(name)
    steps = (Step.of("magnitude", sparsity=share), Step.of("uniform", bits=bits))
    for layer in subject.layers:
        if layer.kind is LayerKind.EMBEDDING:
            continue
        own = (Step.of("low_rank", rank=1), *steps) if factored and len(layer.places) == 1 else steps
        model = compress(subject, Recipe((Rule(layer.name, own),)), store)
        found = error_of_output(model, layer.name, store)
        assert found.value == pytest.approx(
            direct_error(subject, layer, weight_after(model, layer.name)), rel=1e-5
        )
        assert (found.kind, found.n) == ("measured", len(subject.split("calibration")))


def calibrated_mlp() -> Subject:
    return with_calibration(tiny_subject(seeded(Mlp()), (6,)))


def test_unchanged_layer_errs_exactly_by_nothing_and_an_embedding_says_why_it_is_not_measured() -> None:
    subject = subject_of("everything")
    model = compress(subject, rules(words=Step.of("uniform", bits=2)), Store())
    errors = output_errors(model, Store())
    assert errors["words"].value is None
    assert "looks rows up" in str(errors["words"].reason)
    others = [error for name, error in errors.items() if name != "words"]
    assert all((error.value, error.kind) == (0.0, "exact") for error in others)


def test_change_that_no_input_sees_errs_by_nothing() -> None:
    subject = calibrated_mlp()
    split = subject.split("calibration")
    blind = split.inputs.clone()
    blind[:, 1:] = 0
    subject = replace(subject, splits={"calibration": Split("calibration", blind, split.labels)})
    with torch.no_grad():
        subject.network.fc1.weight[:, 0] = 2.0
    model = compress(subject, rules(fc1=Step.of("magnitude", pattern="column", sparsity=0.8)), Store())
    found = error_of_output(model, "fc1", Store())
    assert (found.value, found.kind) == (0.0, "measured")


@pytest.mark.parametrize("scale", [0.0, 1e-40, 3e37])
def test_weights_of_every_size_are_measured_or_told(scale: float) -> None:
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc2.weight.clamp_(-1, 1).mul_(scale)
        network.fc1.weight[0] = 0.5
    subject = with_calibration(tiny_subject(network, (6,)))
    model = compress(subject, rules(fc2=Step.of("magnitude", sparsity=0.5)), Store())
    found = error_of_output(model, "fc2", Store())
    assert found.value is not None
    assert 0 <= found.value < 1
    assert (found.value == 0) == (scale == 0)


def test_errors_look_at_the_inputs_of_the_base_whatever_the_layers_before_do() -> None:
    subject, store = calibrated_mlp(), Store()
    alone = compress(subject, rules(fc2=Step.of("uniform", bits=3)), store)
    behind = compress(
        subject, rules(fc1=Step.of("magnitude", sparsity=0.9), fc2=Step.of("uniform", bits=3)), store
    )
    assert error_of_output(alone, "fc2", store) == error_of_output(behind, "fc2", store)


def test_layers_are_those_that_cutting_left() -> None:
    subject, store = calibrated_mlp(), Store()
    cut = Rule("fc1", (Step.of_group("magnitude", share_removed=0.5),))
    model = compress(subject, Recipe((Rule("fc2", (Step.of("uniform", bits=3),)),), (cut,)), store)
    base = model.base
    found = error_of_output(model, "fc2", store)
    assert found.value == pytest.approx(direct_error(base, base.layer("fc2"), weight_after(model, "fc2")))
    assert error_of_output(model, "fc1", store).value == 0


def test_without_calibration_items_a_changed_layer_is_not_measured_and_says_what_to_add() -> None:
    subject, store = tiny_subject(seeded(Mlp()), (6,)), Store()
    model = compress(subject, rules(fc1=Step.of("uniform", bits=3)), store)
    found = error_of_output(model, "fc1", store)
    assert found.value is None
    assert "no calibration items" in str(found.reason)
    assert layers_to_measure(model, store) == ()


def test_only_the_changed_layer_is_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, store, heard = calibrated_mlp(), Store(), heard_layers(monkeypatch)
    for bits in (3, 4):
        model = compress(subject, rules(fc1=Step.of("uniform", bits=bits), fc3=Step.of("uniform")), store)
        assert layers_to_measure(model, store) == (("fc1", "fc3") if bits == 3 else ("fc1",))
        output_errors(model, store)
        assert layers_to_measure(model, store) == ()
    assert heard == [("fc1", "fc3")]


def test_layers_that_are_asked_for_first_are_measured_with_those_that_come_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, store, heard = calibrated_mlp(), Store(), heard_layers(monkeypatch)
    model = compress(subject, rules(any=Step.of("uniform", bits=3)), store)
    first = output_errors(model, store, ["fc1"])
    assert heard == [("fc1", "fc2", "fc3")]
    assert layers_to_measure(model, store) == ("fc2", "fc3")
    assert first == {"fc1": error_of_output(model, "fc1", Store())}
    heard.clear()
    output_errors(model, store)
    assert heard == []


def test_moment_too_large_for_the_budget_is_not_made_and_the_layer_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, store = calibrated_mlp(), Store()
    model = compress(subject, rules(fc2=Step.of("uniform", bits=3)), store)
    monkeypatch.setenv(VARIABLE, str(2 * 8 * 8**2 - 1))
    found = error_of_output(model, "fc2", store)
    assert found.value is None
    assert "How the 8 inputs of fc2 go together" in str(found.reason)
    monkeypatch.setenv(VARIABLE, "1GB")
    assert error_of_output(model, "fc2", Store()).value is not None


def test_a_statistic_that_is_one_tensor_counts_its_bytes_in_the_store() -> None:
    subject, store = with_calibration(tiny_subject(nn.Linear(400, 3), (400,)), 8), Store()
    moment = derive(subject, "0", "hessian", store)
    assert store.bytes_held > moment.nbytes == 8 * 400**2


def test_layer_with_broken_weights_or_in_a_dropped_block_is_not_measured() -> None:
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc2.weight[0, 0] = torch.nan
    found = error_of_output(Model.original(with_calibration(tiny_subject(network, (6,)))), "fc2", Store())
    assert "NaN or infinite" in str(found.reason)
    subject, store = zoo_subjects.subject_of("residual"), Store()
    dropped = Recipe((), (Rule("block", (Step.of_group("drop_block"),)),))
    found = error_of_output(compress(subject, dropped, store), "block.conv1", store)
    assert "left out" in str(found.reason)
    with pytest.raises(Refused, match=r"block\.conv1"):
        compress(subject, dropped, store).base.layer("block.conv1")


def _dropped() -> Model:
    recipe = Recipe((), (Rule("block", (Step.of_group("drop_block"),)),))
    return compress(zoo_subjects.subject_of("residual"), recipe, Store())


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        (lambda: Model.original(subject_of("everything")), ""),
        (
            lambda: compress(subject_of("everything"), rules(words=Step.of("uniform", bits=2)), Store()),
            "rows",
        ),
        (lambda: compress(tiny_subject(Mlp(), (6,)), rules(fc1=Step.of("uniform")), Store()), "calibration"),
        (_dropped, "left out"),
    ],
    ids=["as loaded", "an embedding", "no items", "a block that is left out"],
)
def test_table_of_layers_holds_the_error_of_each_or_says_why_there_is_none(
    model: Callable[[], Model], missing: str
) -> None:
    made = model()
    frame = layer_frame(made, Store()).set_index("layer")
    for name, error in output_errors(made, Store()).items():
        assert frame["output_error_note"][name] == (error.reason or "")
        found = frame["output_error"][name]
        assert found == error.value if error.value is not None else found is pd.NA
    notes = set(frame["output_error_note"]) - {""}
    assert all(missing in note for note in notes)
    assert bool(notes) is bool(missing)
