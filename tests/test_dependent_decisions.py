"""Where an item holds several decisions: what cannot be told of them is missing, and the reason is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from compress_core import compare, compress
from compress_core.apply.model import Model
from compress_core.cli import app
from compress_core.decide.sweep import worst_class
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.subject.answer_kind import PredictionTask
from dashboard.figures.classes_hurt import classes_hurt
from tests.test_tasks import PRUNED, _speech, _subject

SPEAKER = ("tests.test_tasks:Speaker", "small.yaml", "--data", "speech.npz", "--task", "next_token")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a recipe and items of a language model."""
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "speech.npz", **_speech())
    (tmp_path / "small.yaml").write_text(PRUNED)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="slimscope")


@pytest.mark.usefixtures("folder")
def test_classes_of_a_language_model_are_compared_without_intervals_and_the_reason_is_said() -> None:
    told = run("compare", *SPEAKER, "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    for row in found["per_class"]:
        assert row["accuracy_change"]["low"] is None
        assert row["accuracy_change"]["no_interval"] == ALONE
        assert row["accuracy_after"]["low"] is None, "places of one item are no independent items here either"
        assert row["p_holm"]["value"] is None
        assert row["p_holm"]["reason"] == ALONE
    assert found["per_class_intervals"] == ALONE
    printed = run("compare", *SPEAKER)
    assert printed.exit_code == 0, printed.output
    assert "nan" not in printed.stdout
    assert "simultaneous" not in printed.stdout
    assert f"\n{ALONE}\n" in printed.stdout


@pytest.fixture(scope="module")
def spoken() -> Model:
    """A compressed language model."""
    return compress(_subject(PredictionTask.TOKENS), PRUNED)


def test_figures_of_classes_draw_no_interval_where_there_is_none_and_say_so(spoken: Model) -> None:
    found = compare(spoken)
    layout = found.figure().layout
    assert "no intervals" in layout.xaxis.title.text
    assert "nan" not in layout.title.text
    table = found.per_class()
    change, low, high = (table[[name]].to_numpy() for name in ("change", "low", "high"))
    drawn = classes_hurt(change, low, high, list(table["class"]), ["small"])
    assert "no intervals" in str(drawn.figure.layout).replace("<br>", " ")
    assert not [said for said in drawn.figure.data[0].customdata.ravel() if "nan" in said]


def test_the_lowest_accuracy_of_a_class_has_no_interval_where_places_depend_on_one_another(
    spoken: Model,
) -> None:
    found = worst_class(compare(spoken).behavior)
    assert found.value is not None
    assert (found.low, found.no_interval) == (None, ALONE)
