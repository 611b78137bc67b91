"""What was run beside what was estimated of it, and how a search is drawn."""

from __future__ import annotations

import pandas as pd
import pytest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.damage import damage_of, points_of
from compress_core.decide.estimate import estimator_of
from compress_core.decide.estimate_pairs import CheckedEstimates, checked_estimates
from compress_core.decide.family import Family
from compress_core.decide.sensitivity import Curve, ScanPoint, Sensitivity
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.reading import parse_recipe
from compress_core.recipe.values import Step
from dashboard.figures.estimated_measured import estimated_measured
from dashboard.figures.search_front import ESTIMATED, FRONT, RUN, FrontAxis, search_front
from tests.subjects import loaded_sample

PRUNED = ({"technique": "magnitude", "sparsity": 0.5}, {"technique": "magnitude", "sparsity": 0.7})
ROUNDED = {"technique": "uniform", "bits": 4}


def test_a_recipe_that_was_run_is_a_check_and_what_the_scan_never_tried_or_measured_itself_is_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    subject = loaded_sample("tabular")
    workspace = Workspace.at(tmp_path_factory.mktemp("checked"))
    store, split = Store(workspace=workspace), subject.split("validation")
    made = [
        compress(subject, parse_recipe({"layers": [{"match": "fc1", "steps": [step]}]}), store)
        for step in (*PRUNED, ROUNDED)
    ]
    for model in made:
        evaluate(model, split, store)
    point = ScanPoint(
        "fc1",
        Family.PRUNE,
        0.5,
        (Step.of("magnitude", sparsity=0.5),),
        made[0].key,
        Number(0.04, "nat", "measured", n=114),
        Number(-2.0, "points", "measured", n=114),
        1000,
        1000,
        None,
    )
    key = Model.original(subject).key
    curves = (Curve("fc1", Family.PRUNE, (point,)),)
    sensitivity = Sensitivity(key, subject.key, split.name, split.digest, len(split), curves)
    found = checked_estimates(subject, sensitivity, estimator_of(sensitivity), workspace)
    (row,) = found.table.to_dict("records")
    measured = evaluate(made[1], split, store)
    assert row["model"] == made[1].key
    assert row["estimated"] == pytest.approx(points_of(damage_of(-2.0) * (0.7 / 0.5) ** 2))
    assert row["estimated_kl"] == pytest.approx(0.04 * (0.7 / 0.5) ** 2)
    assert (row["measured"], row["measured_kl"]) == (
        measured["accuracy_change"].value,
        measured["kl"].value,
    )
    assert found.median_error.value is None
    assert found.rank_correlation.reason


CHECKED = pd.DataFrame(
    {
        "recipe": ["a", "b", "c", "d"],
        "places": [1, 2, 3, 4],
        "estimated": [-1.0, -2.0, -4.0, None],
        "measured": [-1.5, -2.0, -7.0, -1.0],
        "low": [-3.0, -3.0, -9.0, -2.0],
        "high": [0.0, 0.0, -5.0, 0.0],
    }
)


def test_error_and_rank_are_of_what_was_estimated_and_the_figure_says_them() -> None:
    found = CheckedEstimates(CHECKED)
    assert (found.median_error.value, found.median_error.n) == (0.5, 3)
    assert found.rank_correlation.value == pytest.approx(1)
    drawn = estimated_measured(CHECKED, found.rank_correlation, found.median_error)
    assert "within 0.50 points" in drawn.alternative
    line, points = drawn.figure.data
    assert list(line.x) == list(line.y)
    assert len(points.x) == 3


def test_what_was_only_estimated_looks_otherwise_and_does_not_press_the_front_flat() -> None:
    table = pd.DataFrame(
        {
            "packed_bytes": [102_400.0, 204_800.0, 307_200.0, 51_200.0],
            "accuracy": [-2.0, -1.0, -3.0, -90.0],
            "kind": [FRONT, FRONT, RUN, ESTIMATED],
        }
    )
    x, y = (
        FrontAxis("packed_bytes", "Packed file", "KiB", is_log=True, factor=1 / 1024),
        FrontAxis("accuracy", "Accuracy", "points"),
    )
    drawn = search_front(table, x, y, searched=40, dark=True)
    assert "40 recipes searched, 3 evaluated, 2 that no other beats" in drawn.alternative
    estimated, _run, front = drawn.figure.data
    assert estimated.marker.symbol.endswith("open")
    assert list(front.x) == [100.0, 200.0]
    assert drawn.figure.layout.xaxis.title.text == "Packed file (KiB)"
    assert drawn.table["packed_bytes"].max() == 307_200, "a download stays in bytes"
    assert drawn.figure.layout.yaxis.range[0] > -4
