"""An item is told in terms of the visitor's own file, where some of its items were set apart."""

from __future__ import annotations

import html
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load, save
from streamlit.testing.v1 import AppTest, app_test
from torch import Tensor, nn
from typer.testing import CliRunner

import compress_core
from compress_core.apply.model import Model
from compress_core.cli import app as cli
from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.bundle import ITEMS, bundle_of, read_bundle
from compress_core.loading.items import Items
from compress_core.loading.samples import load_sample
from compress_core.loading.user_model import with_items
from compress_core.loading.weights_subject import user_subject
from compress_core.measure.behavior.evaluate import compare
from compress_core.measure.behavior.item_table import with_file_items
from compress_core.reviews.evidence_files import evidence_zip, page_of
from compress_core.reviews.findings import Review
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.judging import Asked
from compress_core.reviews.late_groups import read_groups
from compress_core.reviews.late_labels import labels_by_item, read_labels
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from dashboard import header, state
from dashboard.behavior import moved_items
from dashboard.figures.moved_answers import moved_values, turned_vectors
from dashboard.item_number import numbers_of
from dashboard.links import encoded
from dashboard.show import about_item
from tests.files_offered import offered_from_now_on
from tests.navigated import Navigated
from tests.test_architecture import ROOT
from tests.test_review import FEW, coarse, made

ROWS = 300
PRUNED = [["a", [{"technique": "magnitude", "sparsity": 0.9}]]]


def weights() -> dict[str, Tensor]:
    torch.manual_seed(3)
    drawn = {"a.weight": torch.randn(24, 4), "a.bias": torch.randn(24), "b.weight": torch.randn(3, 24)}
    return {**drawn, "b.bias": torch.zeros(3)}


def rows(count: int = ROWS) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Items whose last value is their number in the file."""
    drawn = np.random.default_rng(2).normal(size=(count, 4)).astype(np.float32)
    drawn[:, 3] = np.arange(count) / ROWS
    return drawn


def opened(count: int = ROWS) -> Subject:
    return user_subject(weights(), Items(rows(count), None), name="mine", input_shape=(4,))


def in_file(split: Split, item: int) -> int:
    """The number of an item in the file, read off its values."""
    return round(float(split.inputs[item, 3]) * ROWS)


def reviewed(subject: Subject, store: Store) -> tuple[Model, Review]:
    gates = read_gates(f"{FEW}title: none\ngates: [{{measure: negative_flips, limit: 0.5}}]")
    model = coarse(subject, store)
    return model, made(model, gates, store, Asked("validation"))


def test_a_split_knows_the_numbers_of_its_items_in_the_file() -> None:
    subject = opened()
    for each in (subject, read_bundle(bundle_of(subject)), with_items(subject, Items(rows(), None))):
        assert {name: len(split) for name, split in each.splits.items()} == {
            "validation": 270,
            "calibration": 30,
        }
        for split in (*each.splits.values(), each.split("validation").first(50)):
            told = [split.number_in_file(item) for item in range(len(split))]
            assert told == [in_file(split, item) for item in range(len(split))]
    whole = opened(199).split("validation")
    assert whole.number_in_file(17) is None, "it is the number in the file already"
    assert str(whole.told(17)) == "item 17 of the validation split"
    assert load_sample("tabular").split("test").numbers is None


def test_a_model_and_a_figure_name_items_as_the_file_that_was_opened_numbers_them() -> None:
    store, subject = Store(), opened()
    split = subject.split("validation")
    whole = replace(split, numbers=None)
    unnumbered = replace(subject, splits={**subject.splits, "validation": whole})
    assert (split.digest, subject.identity) == (whole.digest, unnumbered.identity), "its work stays its work"
    assert whole.numbering == ""
    assert split.numbering == opened().split("validation").numbering
    assert split.numbering != split.first(50).numbering
    for each in (unnumbered, subject):
        assert coarse(each, store).subject.split("validation").told(40) == each.split("validation").told(40)


def test_a_figure_of_items_is_kept_by_their_numbers_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("figure", "number_table", "provenance"):
        monkeypatch.setattr(moved_items, name, lambda *_given, **_named: None)
    kept_as: list[str] = []
    monkeypatch.setattr(moved_items, "kept", lambda _name, content, _make: kept_as.append(content))
    items = Items(rows(), None)
    vectors = user_subject(weights(), items, name="mine", input_shape=(4,), task="embedding")
    split, store = vectors.split("validation"), Store()
    model = coarse(vectors, store)
    for each in (split, replace(split, numbers=None)):
        moved_items.draw(model, compare(model, split, store), each)
    assert len(set(kept_as)) == 2


def test_files_of_an_earlier_release_are_numbered_as_the_file_is() -> None:
    files = bundle_of(opened())
    held = {name: items for name, items in load(files[ITEMS]).items() if not name.endswith("numbers")}
    assert sorted(held) == ["calibration.inputs", "validation.inputs"]
    split = read_bundle({**files, ITEMS: save(held)}).split("validation")
    told = [split.number_in_file(item) for item in range(len(split))]
    assert told == [in_file(split, item) for item in range(len(split))]
    of_file = "file_item,group\n" + "".join(f"{number},g{number}\n" for number in range(ROWS))
    assert read_groups(of_file, split).tolist() == [f"g{number}" for number in told]
    sample = load_sample("tabular")
    assert read_bundle(bundle_of(sample)).split("validation").numbers is None, "nothing was set apart"


def test_tables_without_a_row_have_the_same_columns() -> None:
    split = opened().split("validation")
    of_a_list = with_file_items(pd.DataFrame([], columns=["item", "label"]), split)
    assert (list(of_a_list.columns), len(of_a_list)) == (["item", "file_item", "label"], 0)
    assert {name: len(column) for name, column in numbers_of(split, pd.Series([])).items()} == {
        "item": 0,
        "item of the file": 0,
    }


def test_groups_and_labels_are_numbered_within_the_split_or_as_in_the_file() -> None:
    split = opened().split("validation")
    of_file = "file_item,group\n" + "".join(f"{number},g{number}\n" for number in range(ROWS))
    wanted = [f"g{in_file(split, item)}" for item in range(len(split))]
    assert read_groups(of_file, split).tolist() == wanted
    of_split = "item,group\n" + "".join(f"{item},{name}\n" for item, name in enumerate(wanted))
    assert read_groups(of_split, split).tolist() == wanted
    number = in_file(split, 40)
    assert number != 40
    assert labels_by_item(f"file_item,label\n{number},1\n", split, ("a", "b")) == {40: 1}
    assert labels_by_item("item,label\n40,1\n", split, ("a", "b")) == {40: 1}


def test_what_is_refused_of_items_says_the_split_and_the_number_in_the_file() -> None:
    split = opened().split("validation")
    told = re.escape(f"item 40 of the validation split ({in_file(split, 40)} in the file)")
    lines = "".join(f"{item},g\n" for item in range(270) if item != 40)
    with pytest.raises(Refused, match=f"leave out 1 of 270 items, the first of them {told}:"):
        read_groups("item,group\n" + lines, split)
    whole_file = "".join(f"{item},g\n" for item in range(ROWS))
    with pytest.raises(Refused, match=r"the validation split has 270 items.*in a column file_item"):
        read_groups("item,group\n" + whole_file, split)
    with pytest.raises(Refused, match=f"The label of {told} is 'z'"):
        labels_by_item("item,label\n40,z\n", split, ("a", "b"))
    store, subject = Store(), opened()
    compared = compare(coarse(subject, store), split, store)
    same = next(item for item in range(270) if item not in compared.items_changed)
    first = int(compared.items_changed[0])
    for text, said in (
        (f"item,label\n{same},0\n", f"name item {same} of the validation split ({in_file(split, same)} in"),
        ("item,label\n", f"them item {first} of the validation split ({in_file(split, first)} in the file)"),
    ):
        with pytest.raises(Refused, match=re.escape(said)):
            read_labels(text, compared, subject.classes, split)


@pytest.mark.slow
def test_a_report_and_its_tables_say_where_an_item_that_changed_stands_in_the_file() -> None:
    store, subject = Store(), opened()
    split = subject.split("validation")
    model, review = reviewed(subject, store)
    assert any(flip.item != in_file(split, flip.item) for flip in review.flips)
    page = html.unescape(page_of(review, model, "en"))
    for flip in review.flips[:60]:
        assert f"<td>{flip.item} ({in_file(split, flip.item)} in the file)" in page
        assert f"<td>{flip.item} (文件中为 {in_file(split, flip.item)})" in page
    with zipfile.ZipFile(BytesIO(evidence_zip(review, model))) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("_flips.csv"))
        flips = pd.read_csv(archive.open(name))
    assert flips["item"].tolist() == [flip.item for flip in review.flips]
    assert flips["file_item"].tolist() == [in_file(split, item) for item in flips["item"]]
    whole, alone = reviewed(opened(199), store)
    assert "in the file" not in page_of(alone, whole, "en")


def test_a_figure_and_a_table_of_one_item_say_its_number_in_the_file() -> None:
    table = pd.DataFrame({"item": [4], "file_item": [7], "before": [1.0], "after": [2.0], "shift": [1.0]})
    for drawn in (moved_values(table), turned_vectors(table)):
        assert "item 4 (7 in the file) moved furthest" in drawn.alternative
    assert "item of the file" in str(moved_values(table).figure.data[0].hovertemplate)
    bare = moved_values(table.drop(columns="file_item"))
    assert "item 4 moved furthest" in bare.alternative
    split = opened().split("validation")
    about = about_item(split, 40)
    assert (about.item, about.file_item) == (40, in_file(split, 40))
    frame = Provenance("m", item=40, file_item=44).of(pd.DataFrame({"x": [1, 2]}))
    assert frame["file_item"].tolist() == [44, 44]


@pytest.mark.slow
def test_commands_list_items_with_their_numbers_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    torch.save(weights(), "net.pt")
    np.savez("rows.npz", inputs=rows())
    Path("groups.csv").write_text("file_item,group\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(ROWS)))
    Path("gates.yaml").write_text("gates: [{measure: subgroup_change, limit: -99}]")
    split = compress_core.load("net.pt", "rows.npz").split("validation")
    words = ("net.pt", "--data", "rows.npz", "--step", "*: uniform bits=2")
    beside = (
        "--groups",
        "groups.csv",
        "--gates",
        "gates.yaml",
        "--disagreements",
        "list.csv",
        "--out",
        "r.html",
    )
    found = CliRunner().invoke(cli, ["review", *words, *beside], prog_name="slimscope")
    assert found.exit_code in {0, 1, 3}, found.output
    listed = pd.read_csv("list.csv")
    assert [*listed.columns[-5:]] == ["item", "file_item", "before", "after", "label"]
    assert listed["file_item"].tolist() == [in_file(split, item) for item in listed["item"]]
    again = CliRunner().invoke(cli, ["verify", "r.json"], prog_name="slimscope")
    assert again.exit_code == 0, again.output
    asked = ["explain", *words, "--items", "5"]
    worst = json.loads(CliRunner().invoke(cli, [*asked, "--json"], prog_name="slimscope").stdout)["worst"]
    assert [row["file_item"] for row in worst] == [in_file(split, row["item"]) for row in worst]
    shown = CliRunner().invoke(cli, asked, prog_name="slimscope").stdout
    for row in worst:
        assert f"\n{row['item']} ({row['file_item']} in the file) " in shown


@pytest.mark.slow
def test_the_face_says_where_changed_and_explained_items_stand_in_the_file() -> None:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 3))
    subject = compress_core.load(network, rows())
    model = compress_core.compress(subject, "layers: [{match: '*', steps: [{technique: uniform, bits: 2}]}]")
    split = subject.split("validation")
    changed = compress_core.compare(model).changed_items()
    assert changed.columns[:2].tolist() == ["item", "file_item"]
    assert not changed.empty
    assert changed["file_item"].tolist() == [in_file(split, item) for item in changed["item"]]
    told = compress_core.explain(model, items=6).items()
    assert told["file_item"].tolist() == [in_file(split, item) for item in told["item"]]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Any]]:
    """What each button for a file would give, by its key."""
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    monkeypatch.setattr(header, "_fill_accuracy", lambda *_arguments: None)
    return offered_from_now_on(monkeypatch)


def shown_on(page: str, **link: str) -> AppTest:
    """A page that works on the model whose items were divided, as a link opens it."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    app.session_state[state.UPLOADS] = {"own-1": opened()}
    for name, value in {"m": "own-1", "r": encoded(PRUNED), "lang": "en", **link}.items():
        app.query_params[name] = value
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, [e.message for e in app.exception]
    return app


def texts(app: AppTest) -> str:
    groups = (app.markdown, app.caption, app.info, app.warning)
    return "\n".join(str(element.value) for group in groups for element in group).replace("\\", "")


@pytest.mark.slow
def test_pages_say_where_an_item_stands_in_the_file(
    page_workspace: Workspace, taken: dict[str, Callable[[], Any]]
) -> None:
    split = opened().split("validation")
    behavior = shown_on("behavior")
    table = pd.read_csv(BytesIO(taken["behavior.changed.csv"]()))
    assert table["file_item"].tolist() == [in_file(split, item) for item in table["item"]]
    worst = int(table["item"][0])
    said = f"item {worst} ({in_file(split, worst)} in the file)"
    assert said in texts(behavior)
    explain = shown_on("explain", item=str(worst))
    below = (
        f"Item {worst} of the validation split is item {in_file(split, worst)} of the file, counted from 0."
    )
    assert below in texts(explain)
    bars = pd.read_csv(BytesIO(taken["explain.bars.csv"]()))
    assert bars["file_item"].unique().tolist() == [in_file(split, worst)]
    which = shown_on("trade_offs", tab="which_layer", item=str(worst))
    assert f"I{said[1:]}" in texts(which)
    review = shown_on("review")
    assert "A column file_item instead of it numbers them as in the file." in texts(review)
