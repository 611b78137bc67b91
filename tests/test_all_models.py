"""All models: fronts by brute force, runs of several seeds, brushes, and trees worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.model_table import model_table
from compress_core.decide.pareto import pareto_front
from compress_core.decide.seed_runs import run_of_each, seeds_together
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.values import Step
from dashboard.figures.lineage_tree import lineage_tree, newest_with_ancestors, placed
from dashboard.figures.measures import Measure, measured
from dashboard.figures.parallel_coordinates import Brush, axes_of, brushes_of, parallel_coordinates
from dashboard.figures.pareto_scatter import pareto_scatter
from dashboard.trade_offs import picked_models
from dashboard.trade_offs.model_list import best_of
from tests.subjects import mlp_subject, rules

NAN = np.nan
BYTES, ACCURACY = (
    Measure("bytes", "Size", "byte", "lower"),
    Measure("accuracy", "Accuracy", "share", "higher"),
)
Values = np.ndarray


def dominates(one: Values, other: Values) -> bool:
    """Whether a row is nowhere worse than another and somewhere better; less is better."""
    return bool((one <= other).all() and (one < other).any())


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 12), st.integers(1, 3)),
        elements=st.sampled_from([0, 1, 2, 3, NAN]),
    )
)
def test_a_row_is_on_the_front_exactly_if_no_other_beats_it(values: Values) -> None:
    known = ~np.isnan(values).any(axis=1)
    wanted = [
        known[row] and not any(dominates(values[other], values[row]) for other in np.flatnonzero(known))
        for row in range(len(values))
    ]
    columns = values.shape[1]
    assert pareto_front(values, ["lower"] * columns).tolist() == wanted
    assert pareto_front(-values, ["higher"] * columns).tolist() == wanted


def table(bytes_: list[float], accuracies: list[float], **more: object) -> pd.DataFrame:
    """A table of models with two measures."""
    keys = [f"k{place}" for place in range(len(bytes_))]
    frame = pd.DataFrame({"key": keys, "label": keys, "what": keys, "bytes": bytes_, "accuracy": accuracies})
    return frame.assign(runs=1, **more)


def test_the_figure_draws_the_front_and_hides_what_is_beaten_unless_it_is_picked_or_open() -> None:
    models = table([1024.0, 2048.0, 2048.0, 4096.0, NAN], [0.9, 0.95, 0.8, 0.7, 0.99])
    front = pareto_front(models[["bytes", "accuracy"]].to_numpy(), ["lower", "higher"])
    assert front.tolist() == [True, True, False, False, False]
    every = pareto_scatter(models, BYTES, ACCURACY, front)
    assert every.figure.layout.title.text.startswith("<b>2 of 4 models")
    assert sum(len(t.x) for t in every.figure.data if t.mode == "markers") == 4
    few = pareto_scatter(models, BYTES, ACCURACY, front, letters={"k2": "A"}, here="k3", with_dominated=False)
    assert sum(len(t.x) for t in few.figure.data if t.mode == "markers") == 4
    fewest = pareto_scatter(models, BYTES, ACCURACY, front, with_dominated=False)
    assert [t.x.tolist() for t in fewest.figure.data if t.mode == "markers"] == [[1.0, 2.0]]
    assert fewest.table["on_front"].sum() == 2


@pytest.mark.parametrize(("direction", "shape"), [("lower", "hv"), ("higher", "vh")])
def test_between_two_models_of_the_front_the_worse_of_both_is_what_can_be_had(
    direction: str, shape: str
) -> None:
    across = Measure("bytes", "Size", "byte", "lower" if direction == "lower" else "higher")
    models = table([1024.0, 2048.0], [0.9, 0.95])
    drawn = pareto_scatter(models, across, ACCURACY, np.ones(2, dtype=np.bool_))
    assert drawn.figure.data[0].line.shape == shape


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Workspace]:
    """Models of a workspace: the original, three seeds of one recipe, one that was pruned otherwise."""
    subject, place = mlp_subject(), Workspace.at(tmp_path_factory.mktemp("workspace"))
    store = Store(workspace=place)
    evaluate(Model.original(subject), subject.split("validation"), store)
    for step in (
        *(Step.of("random_pruning", sparsity=0.5, seed=seed) for seed in (0, 1, 2)),
        Step.of("random_pruning", sparsity=0.6, seed=0),
    ):
        evaluate(compress(subject, rules(any=step), store), subject.split("validation"), store)
    return model_table(subject, place, None), place


def test_runs_that_differ_by_their_seed_alone_are_one_with_mean_and_range(
    known: tuple[pd.DataFrame, Workspace],
) -> None:
    models, place = known
    found = seeds_together(models, run_of_each(place.models.of_subject(mlp_subject().digest)))
    assert sorted(found["runs"]) == [1, 1, 3]
    three = found[found["runs"] == 3].iloc[0]
    runs = models[models["what"].str.contains("sparsity") == False]  # noqa: E712 - 0.5 is usual, so unsaid
    runs = runs[runs["operation"] == "compress"]
    assert len(runs) == 3
    assert three["kl"] == pytest.approx(runs["kl"].mean())
    assert (three["kl.low"], three["kl.high"]) == (runs["kl"].min(), runs["kl"].max())
    alone = found[found["runs"] == 1].merge(models, on="key", suffixes=("", "_before"))
    assert (alone["kl.low"].fillna(-1) == alone["kl.low_before"].fillna(-1)).all()


def test_the_best_come_first_and_what_is_not_measured_is_none_of_them() -> None:
    models = table([3.0, NAN, 1.0, 2.0], [0.1, 0.9, NAN, 0.3])
    assert list(best_of(models, BYTES, 2)["key"]) == ["k2", "k3"]
    assert list(best_of(models, ACCURACY, 3)["key"]) == ["k1", "k3", "k0"]
    assert list(best_of(models, ACCURACY, 0)["key"]) == ["k1", "k3", "k0", "k2"]


def test_brushes_let_through_what_lies_within_all_of_them_and_up_is_better() -> None:
    models = table([1024.0, 2048.0, 3072.0, NAN], [0.7, 0.9, 0.8, 0.8])
    axes = axes_of(models, [BYTES, ACCURACY])
    assert np.allclose(axes.heights[:3], [[1, 0], [0.5, 1], [0, 0.5]])
    assert axes.value(0, 1.0) == 1
    assert axes.within([]).all()
    assert axes.within([Brush("bytes", 0.4, 1.0)]).tolist() == [True, True, False, False]
    assert axes.within([Brush("bytes", 0.4, 1.0), Brush("accuracy", 0.9, 1.0)]).tolist() == [
        False,
        True,
        False,
        False,
    ]
    box = {"x": [1.2, 0.8], "y": [-0.3, 0.5]}
    assert brushes_of(box, axes) == (Brush("accuracy", 0.0, 0.5),)
    assert brushes_of({"x": [0.2, 0.8], "y": [0, 1]}, axes) == ()
    drawn = parallel_coordinates(models, axes, [Brush("bytes", 0.4, 1.0)])
    assert drawn.table["within"].tolist() == [True, True, False, False]


def test_a_measure_that_is_the_same_for_all_models_has_them_in_the_middle() -> None:
    axes = axes_of(table([5.0, 5.0], [0.1, 0.2]), [BYTES])
    assert axes.heights.tolist() == [[0.5], [0.5]]


def test_a_tree_has_parents_in_the_middle_of_their_children_and_no_lines_cross() -> None:
    models = pd.DataFrame(
        {"key": list("rabcdx"), "parent": [None, "r", "r", "a", "a", "gone"], "time": range(6)}
    )
    nodes = placed(models)
    assert [node.depth for node in nodes] == [0, 1, 1, 2, 2, 0]
    heights = dict(zip(models["key"], [node.height for node in nodes], strict=True))
    assert heights["a"] == (heights["c"] + heights["d"]) / 2
    assert heights["r"] == (heights["a"] + heights["b"]) / 2
    assert len({heights[leaf] for leaf in "bcdx"}) == 4
    shown = models.assign(label=models["key"], what="", accuracy=[0.5] * 5 + [NAN])
    assert lineage_tree(shown, ACCURACY).table["operations_since_loaded"].tolist() == [0, 1, 1, 2, 2, 0]
    assert list(newest_with_ancestors(models, 2)["key"]) == ["r", "a", "d", "x"]


def test_a_lineage_of_a_thousand_steps_is_drawn() -> None:
    keys = [str(place) for place in range(1000)]
    nodes = placed(pd.DataFrame({"key": keys, "parent": [None, *keys[:-1]]}))
    assert nodes[-1].depth == 999


def test_only_measures_that_some_model_has_are_offered(known: tuple[pd.DataFrame, Workspace]) -> None:
    names = [measure.name for measure in measured(known[0])]
    assert {"bytes", "accuracy", "kl"} <= set(names)
    assert "packed_bytes" not in names, "nobody packed one"
    assert "mcnemar" not in names, "it has no better and no worse"


@pytest.mark.parametrize("text", ["", "abc", "abcdef123456.o12", "a.b.c.d.e"])
def test_what_a_link_says_of_picked_models_is_read(text: str) -> None:
    assert picked_models.read(text) == text


@pytest.mark.parametrize("text", ["a.b.c.d.e.f", "A", "a..b", "../x", "abcdef1234567", "."])
def test_what_nobody_could_have_picked_is_not_taken_from_a_link(text: str) -> None:
    assert picked_models.read(text) is None
