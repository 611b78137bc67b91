"""Steps tried on each layer alone, and several criteria side by side, say what the model itself says."""

from __future__ import annotations

import pytest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.criterion_rows import criterion_rows
from compress_core.measure.tables.layers_alone import each_layer_alone
from compress_core.measure.tables.output_errors import error_of_output
from compress_core.measure.tables.quantizer_rows import quantizer_rows
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from tests.subjects import mlp_subject, rules, with_calibration

NAMES = ["fc1", "fc2", "fc3"]


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Three linear layers with calibration items."""
    return with_calibration(mlp_subject())


@pytest.mark.parametrize("step", [Step.of("uniform", bits=3), Step.of("magnitude", sparsity=0.4)])
def test_a_layer_tried_alone_errs_as_in_the_model_where_nothing_else_is_done(
    subject: Subject, step: Step
) -> None:
    store = Store()
    for row in each_layer_alone(subject, NAMES, step, store):
        alone = compress(subject, rules(**{row.layer: step}), store)
        assert row.output_error == error_of_output(alone, row.layer, store)
        assert row.bytes == alone.compressed[row.layer].bits.total // 8
        assert row.bytes_before == 4 * subject.layer(row.layer).weights
        moved = (alone.values(row.layer) - Model.original(subject).values(row.layer)).double()
        whole = Model.original(subject).values(row.layer).double().square().sum()
        assert row.weight_error == pytest.approx(float(moved.square().sum() / whole), rel=1e-6)


def test_a_sequential_method_tried_alone_does_not_see_what_the_layers_before_would_become(
    subject: Subject,
) -> None:
    store, step = Store(), Step.of("sparsegpt", sparsity=0.6)
    rows = {row.layer: row for row in each_layer_alone(subject, NAMES, step, store)}
    together = compress(subject, rules(any=step), store)
    assert rows["fc1"].output_error.value == error_of_output(together, "fc1", store).value
    assert rows["fc3"].output_error.value != error_of_output(together, "fc3", store).value


def test_what_cannot_be_tried_says_why_and_the_other_layers_are_tried() -> None:
    rows = list(each_layer_alone(mlp_subject(), NAMES, Step.of("gptq", bits=4), Store()))
    assert [row.layer for row in rows] == NAMES
    assert all("calibration" in str(row.refused) for row in rows)
    assert {row.bytes for row in rows} == {None}
    assert {row.output_error.value for row in rows} == {None}


def test_without_calibration_items_weights_are_judged_and_outputs_are_not() -> None:
    rows = list(each_layer_alone(mlp_subject(), NAMES, Step.of("uniform", bits=4), Store()))
    assert all(row.weight_error and row.output_error.reason for row in rows)


def two(share: float, scope: str = "network") -> list[Step]:
    """Magnitude and random pruning at one share."""
    return [Step.of(name, sparsity=share, scope=scope) for name in ("magnitude", "random_pruning")]


def test_criteria_at_one_share_remove_equally_many_weights_in_all(subject: Subject) -> None:
    first, second = criterion_rows(Model.original(subject), NAMES, two(0.5), Store())
    weights = sum(layer.weights for layer in subject.layers)
    assert first.weights == second.weights == weights
    assert first.removed == second.removed == round(0.5 * weights)
    assert first.median_error is not None
    assert second.median_error is not None
    assert first.median_error < second.median_error


def test_a_row_is_the_model_with_that_criterion_in_the_place_of_the_recipes(subject: Subject) -> None:
    store = Store()
    bits = Step.of("uniform", bits=4)
    model = compress(subject, rules(fc1=(Step.of("wanda", sparsity=0.2), bits), fc2=bits), store)
    (row,) = criterion_rows(model, ["fc1"], two(0.5, "layer")[:1], store)
    assert row.model is not None
    wanted = compress(subject, rules(fc1=(Step.of("magnitude", sparsity=0.5), bits), fc2=bits), store)
    assert row.bytes == wanted.file_bytes
    assert (row.removed, row.weights) == (24, 48)
    assert row.output_errors == {"fc1": error_of_output(wanted, "fc1", store)}
    assert row.worst_layer == "fc1"
    assert model.recipe.by_layer["fc1"][0].technique == "wanda"


def test_the_worst_layer_is_the_one_whose_output_errs_most_and_half_err_less_than_the_median(
    subject: Subject,
) -> None:
    row = criterion_rows(Model.original(subject), NAMES, two(0.5)[:1], Store())[0]
    errors = sorted((error.value or 0, name) for name, error in row.output_errors.items())
    assert row.worst_layer == errors[-1][1]
    assert row.median_error == errors[1][0]


def test_layers_that_are_not_compared_keep_what_they_have(subject: Subject) -> None:
    store = Store()
    model = compress(subject, rules(any=two(0.5)[0]), store)
    (row,) = criterion_rows(model, ["fc1"], two(0.9, "layer")[:1], store)
    assert row.model is not None
    for name in ("fc2", "fc3"):
        before, after = (m.compressed[name].encoded[0].zeros.pruned for m in (model, row.model))
        assert before == after


def test_a_criterion_that_cannot_serve_says_why_beside_those_that_can() -> None:
    steps = [Step.of("wanda", sparsity=0.5), *two(0.5)]
    rows = criterion_rows(Model.original(mlp_subject()), NAMES, steps, Store())
    assert "calibration" in str(rows[0].refused)
    assert rows[0].model is None
    assert [row.removed for row in rows[1:]] == [62, 62]


def test_quantizers_are_judged_at_the_output_too(subject: Subject) -> None:
    store = Store()
    pruned = Step.of("magnitude", sparsity=0.4)
    plain = compress(subject, rules(fc2=pruned), store)
    for row in quantizer_rows(subject, plain.recipe, "fc2", 4, store):
        made = compress(subject, rules(fc2=(pruned, Step.of(row.technique, bits=4))), store)
        assert row.output_error == error_of_output(made, "fc2", store)


def test_quantizers_without_calibration_items_have_no_output_error_and_say_why() -> None:
    rows = quantizer_rows(mlp_subject(), compress(mlp_subject(), rules(), Store()).recipe, "fc1", 4, Store())
    told = [row.output_error for row in rows if row.refused is None]
    assert told
    assert all(error is not None and error.value is None and error.reason for error in told)
