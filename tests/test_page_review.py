"""The page Review: nothing looks at test items before it is told to; a verdict, its evidence, a signature."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pandas as pd
import pytest
import torch
from streamlit.runtime.uploaded_file_manager import DeletedFile
from streamlit.testing.v1 import AppTest, app_test
from streamlit.testing.v1.element_tree import Block

from compress_core.apply.lineage import with_recipe
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.loading.items import Items
from compress_core.loading.weights_subject import user_subject
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.reviews.findings import FlippedItem
from compress_core.reviews.made_again import read_review
from compress_core.reviews.seals import broken_seals
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.subject import Subject
from compress_core.tasks.measure_latency import LatencyKnobs
from dashboard import header, state, uploaded_files, visitor_jobs
from dashboard import job_panel as jobs
from dashboard.deploy import job_results
from dashboard.links import encoded
from dashboard.review import target_choice
from dashboard.review.parts.flip_gallery import FlipsShown
from dashboard.text import _, use_language
from tests.files_offered import offered_from_now_on
from tests.navigated import Navigated
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow

PRUNED = [["fc1", [{"technique": "magnitude", "sparsity": 0.9}]]]
PATIENCE = 240.0
OWN = b"""title: Mine
gates:
- {measure: plain_file_bytes, limit: 1000000, reason: It has to fit.}
conditions: {attribution_items: 10}
"""


@pytest.fixture(autouse=True)
def _as_a_server_knows_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    monkeypatch.setattr(header, "_fill_accuracy", lambda *_arguments: None)  # tested elsewhere


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Any]]:
    """What each button for a file would give, by its key."""
    return offered_from_now_on(monkeypatch)


def page(recipe: object = PRUNED, **link: str) -> AppTest:
    """The page after its first run, as a link opens it."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    for name, value in {"m": "tabular", "r": encoded(recipe), "lang": "en", **link}.items():
        app.query_params[name] = value
    return run(app.switch_page("pages/review.py"))


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, [e.message for e in app.exception]
    return app


def texts(app: AppTest) -> str:
    groups = (app.markdown, app.caption, app.info, app.warning, app.success, app.error)
    tables = [table.value.to_string() for table in app.table]
    return "\n".join([*(str(element.value) for group in groups for element in group), *tables])


def looked_at(app: AppTest) -> AppTest:
    """The page once the button was pressed and the job is done."""
    app.button(key="review.look").click()
    run(app)
    key = list(app.session_state[visitor_jobs.KEY])[-1]
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    return run(app)


def test_a_model_as_loaded_is_not_reviewed() -> None:
    app = page(recipe=None)
    assert "still the model as loaded" in texts(app)
    assert not any(one.key == "review.look" for one in app.button)


def test_a_review_begins_with_a_press_is_signed_taken_away_and_goes_stale(
    page_workspace: Workspace, files: dict[str, Callable[[], Any]]
) -> None:
    app = page(part="decision")
    assert "so far: 0" in texts(app)
    assert page_workspace.database.rows("SELECT COUNT(*) FROM looks") == [(0,)], "nothing looked yet"
    app.file_uploader[0].upload("mine.yaml", OWN, "text/yaml")
    run(app)
    assert "These gates are fixed since" in texts(app)
    app.text_input(key="review.device").set_value("Cortex-M7")
    run(app)
    assert app.query_params["device"] in ("Cortex-M7", ["Cortex-M7"])
    looked_at(app)
    assert page_workspace.database.rows("SELECT COUNT(*) FROM looks") == [(1,)]
    assert any("PASS" in box.value and "Decided by" in box.value for box in app.success)
    assert "so far: 1" in texts(app)
    assert "validation items, on which the recipe was chosen" in texts(app)
    press_sign(app)
    assert_said_after(app, "Nothing was decided", lambda one: getattr(one, "label", "") == "Sign")
    assert not any("Nothing was decided" in one.value for one in run(app).warning), "it is said once"
    app.text_input(key="review.reviewer").set_value("Ada [L](x)")
    decision(app).set_value("approve")
    press_sign(app)
    assert "**approved** by Ada \\[L\\]" in texts(app)
    assert_taken(files)
    for part, shown in (
        ("classes", ""),
        ("maps", "Exactly the items that changed"),
        ("costs", "estimated"),
        ("untested", "Items unlike these"),
    ):
        choose(app, part)
        assert shown in texts(app)
    choose(app, "flips")
    there = sorted(str(one.key) for one in app.button if str(one.key).startswith("review.explain."))
    app.button(key=there[0]).click()
    run(app)
    assert app.title[0].value == "Does it still look at the same things?"
    assert app.number_input(key="explain.item").value == int(there[0].rpartition(".")[2])
    assert "(N = 114)" in str(app.button_group(key="slimscope.split").options)
    assert app.button_group(key="slimscope.split").value == "test"
    assert [link.label for link in app.get("page_link")] == ["Go to Review"]
    run(app.switch_page("pages/review.py"))
    assert there == sorted(str(one.key) for one in app.button if str(one.key).startswith("review.explain."))
    moved(app)
    assert any(one.value.startswith("Stale: this review") for one in app.warning)
    assert "Go to recipe" in " ".join(one.label for one in app.button)
    assert app.button(key=there[0]).disabled
    choose(app, "decision")
    assert "A stale review is not signed" in texts(app)
    looks = page_workspace.database.rows("SELECT COUNT(DISTINCT model) FROM looks")
    assert looks == [(1,)], "neither an edit nor a second look at the same model is a new one"


def test_a_look_on_another_page_is_one_and_the_review_says_so(page_workspace: Workspace) -> None:
    app = page(split="test")
    run(app.switch_page("pages/behavior.py"))
    assert app.button_group(key="slimscope.split").value == "test"
    assert page_workspace.database.rows("SELECT COUNT(*) FROM looks") == [(1,)]
    run(app.switch_page("pages/review.py"))
    assert "so far: 1" in texts(app)
    assert "These gates were not fixed before the first look" in texts(app)


def test_looks_at_items_on_which_recipes_are_chosen_are_not_counted(page_workspace: Workspace) -> None:
    app = without_labels(page_workspace, uploaded())
    assert "Looks at them are not counted" in texts(app)
    assert "before the first look" not in texts(app)
    looked_at(app)
    assert "Looks at them are not counted" in texts(app)


def test_times_that_were_measured_on_deploy_stand_in_the_review_of_that_model_alone(
    page_workspace: Workspace, files: dict[str, Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {"processes": 3, "rounds": 3, "seconds": 0.1, "variants": False, "onnx": False}
    monkeypatch.setattr(job_results, "LatencyKnobs", partial(LatencyKnobs, **quick))
    app = page(part="costs")
    app.file_uploader[0].upload("mine.yaml", OWN, "text/yaml")
    run(app)
    looked_at(app)
    assert "as measured on Deploy" not in texts(app)
    app.session_state["deploy.tabs"] = _("Is it fast?")
    run(app.switch_page("pages/deploy.py"))
    app.button(key="deploy.measure").click()
    run(app)
    key = list(app.session_state[visitor_jobs.KEY])[-1]
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    run(app.switch_page("pages/review.py"))
    assert "Latency as measured on Deploy, batch of 1" in texts(app)
    choose(app, "decision")
    time = json.loads(files["review.download.json"]())["times"][0]
    assert time["before"]["value"] > 0
    assert time["after"]["value"] > 0
    moved(app)
    choose(app, "costs")
    assert "as measured on Deploy" not in texts(app), "the review is of another model than the one of now"


def test_a_file_that_was_made_on_deploy_is_listed_with_its_sha_256(
    page_workspace: Workspace, files: dict[str, Callable[[], Any]]
) -> None:
    app = page(part="decision")
    app.file_uploader[0].upload("mine.yaml", OWN, "text/yaml")
    run(app)
    looked_at(app)
    assert "model.slim" in texts(app).replace("\\", "")
    run(app.switch_page("pages/deploy.py"))
    app.button(key="deploy.make.source").click()
    run(app)
    key = list(app.session_state[visitor_jobs.KEY])[-1]
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    run(app.switch_page("pages/deploy.py"))
    content = files["deploy.download.source"]()
    with ZipFile(BytesIO(content)) as archive:
        made = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    run(app.switch_page("pages/review.py"))
    listed = {each["name"]: each["sha256"] for each in json.loads(files["review.download.json"]())["files"]}
    assert made.items() <= listed.items()
    assert all(digest in texts(app) for digest in listed.values())


def test_what_fails_is_approved_with_a_reason_only(page_workspace: Workspace) -> None:
    app = page(part="decision")
    app.file_uploader[0].upload("mine.yaml", OWN.replace(b"1000000", b"1"), "text/yaml")
    run(app)
    looked_at(app)
    assert "The verdict is FAIL: an approval needs its reason in the notes." in texts(app)
    app.text_input(key="review.reviewer").set_value("Ada")
    decision(app).set_value("approve")
    press_sign(app)
    assert any("an approval against it needs its reason" in one.value for one in app.warning)
    assert "**approved**" not in texts(app)
    app.text_area[0].set_value("For the trial alone.")
    press_sign(app)
    assert "**approved** by Ada" in texts(app)


def uploaded(name: str = "mine", said: str = "Read as it is.", classes: str = "012") -> Subject:
    """A model of somebody's own: the same weights and items without labels, whatever else is told of it."""
    torch.manual_seed(3)
    weights = {"a.weight": torch.randn(24, 4), "a.bias": torch.randn(24), "b.weight": torch.randn(3, 24)}
    items = Items(torch.randn(40, 4).numpy(), None, remarks=ReadingRemarks((said,)))
    subject = user_subject({**weights, "b.bias": torch.zeros(3)}, items, name=name, input_shape=(4,))
    return replace(subject, classes=tuple(classes))


def without_labels(page_workspace: Workspace, subject: Subject) -> AppTest:
    """The page of an uploaded model whose items have no labels."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject}
    for name, value in {"m": "own-1", "r": encoded([["a", PRUNED[0][1]]]), "lang": "en"}.items():
        app.query_params[name] = value
    return run(app.switch_page("pages/review.py"))


def test_labels_and_groups_that_come_later_are_uploaded_judged_and_left_out_again(
    page_workspace: Workspace, files: dict[str, Callable[[], Any]]
) -> None:
    app = without_labels(page_workspace, uploaded())
    assert "The list is there after the first review" in texts(app)
    looked_at(app)
    assert any("NOT MEASURED" in box.value for box in app.info)
    table = pd.read_csv(BytesIO(files["review.items_to_label.csv"]()))
    assert table["label"].isna().all()
    uploader(app, "Labels").upload("l.csv", table.assign(label=9).to_csv(index=False).encode(), "text/csv")
    run(app)
    assert any("which is no class" in one.value for one in app.warning)
    uploader(app, "Labels").upload("l.csv", table.assign(label=1).to_csv(index=False).encode(), "text/csv")
    run(app)
    assert f"{len(table)} labels are taken." in texts(app)
    assert any(one.value.startswith("Stale: this review") for one in app.warning)
    groups = "item,group\n" + "".join(f"{item},{'ab'[item % 2]}\n" for item in range(40))
    uploader(app, "Groups").upload("g.csv", groups.encode(), "text/csv")
    run(app)
    assert "2 groups are taken: a, b" in texts(app)
    del app.session_state["slimscope.review.later_files"]  # as a reload leaves it
    run(app)
    assert f"{len(table)} labels are taken." in texts(app)
    assert "2 groups are taken: a, b" in texts(app)
    looked_at(app)
    assert not any("NOT MEASURED" in box.value for box in app.info)
    assert "accuracy" not in " ".join(box.value for box in app.info)
    choose(app, "decision")
    assert "the network was uploaded to the page" in texts(app)
    report = json.loads(files["review.download.json"]())
    assert report["model"]["has_labels"] == "file"
    assert "slimscope review FILE recipe" in report["circumstances"]["no_command"]
    app.button(key="review.labels_file.leave_out").click()
    run(app)
    assert "labels are taken" not in texts(app)
    assert "2 groups are taken" in texts(app)


def test_a_report_tells_of_what_was_opened_where_another_upload_is_equal(
    page_workspace: Workspace, files: dict[str, Callable[[], Any]]
) -> None:
    looked_at(without_labels(page_workspace, uploaded(said="Read as a checkpoint.")))
    again = without_labels(page_workspace, uploaded(said="Read as a table."))
    choose(again, "decision")
    *assumed, said = json.loads(files["review.download.json"]())["model"]["remarks"]
    assert assumed == ["Assumed, because a state dict does not tell: ReLU between the layers."]
    assert said == "Read as a table."
    assert "Read as a table." in files["review.download.html"]()
    for called in (uploaded("yours"), uploaded(classes="abc")):
        files.clear()
        app = without_labels(page_workspace, called)
        choose(app, "decision")
        assert not files, "what it is called stands in a report, so another one's is not its own"
        looked_at(app)
        report = json.loads(files["review.download.json"]())
        assert report["model"]["name"] == called.name
        assert {flip["before"] for flip in report["flips"]} <= set(called.classes)


def uploader(app: AppTest, begins: str) -> Any:
    return next(one for one in app.file_uploader if one.label.startswith(begins))


def assert_taken(files: dict[str, Callable[[], Any]]) -> None:
    """The files say what was reviewed, who signed, and for where."""
    report = json.loads(files["review.download.json"]())
    assert broken_seals(report) == []
    said = read_review(report)
    assert (said.decision.reviewer, said.decision.decision) == ("Ada [L](x)", "approve")
    assert said.circumstances.command.startswith("slimscope review tabular recipe.yaml")
    assert said.circumstances.command.endswith("--split test --target-device Cortex-M7")
    assert said.circumstances.target_device == "Cortex-M7"
    assert said.looks.fixed_before
    assert "Ada [L](x)" in files["review.download.html"]()
    table = pd.read_csv(BytesIO(files["review.gates_judged.csv"]()))
    assert [*table.columns[:4]] == ["model", "recipe", "split", "items"]
    assert table.loc[0, ["model", "split", "items", "outcome"]].tolist() == ["tabular", "test", 114, "pass"]


def decision(app: AppTest) -> Any:
    """The control that says what is decided on the review that is shown."""
    return next(one for one in app.button_group if str(one.key).startswith("review.decision."))


def press_sign(app: AppTest) -> None:
    next(one for one in app.button if one.label == "Sign").click()
    run(app)


def assert_said_after(app: AppTest, sentence: str, asked: Callable[[Any], bool]) -> None:
    """A refusal stands right behind what was pressed, not at the top of the page."""
    shown = [one for one in app.main if not isinstance(one, Block)]
    (at,) = (place for place, one in enumerate(shown) if sentence in str(getattr(one, "value", "")))
    assert asked(shown[at - 1]), [getattr(one, "label", one.type) for one in shown[at - 3 : at + 1]]


def choose(app: AppTest, part: str) -> None:
    """Open a part of the evidence."""
    app.session_state["slimscope.choice.part"] = part
    run(app)


def moved(app: AppTest) -> None:
    """Another recipe."""
    recipe = Recipe((Rule("fc1", (Step.of("magnitude", sparsity=0.5),)),))
    view = app.session_state[state.KEY]
    app.session_state[state.KEY] = view.moved(with_recipe((), resolve(recipe, ["fc1"])))
    run(app)


FLIP = FlippedItem(3, "right_to_wrong", "a", "a", "b", 0.9, 0.6)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (FlipsShown(), True),
        (FlipsShown(cell=("a", "b")), True),
        (FlipsShown(cell=("b", "a")), False),
        (FlipsShown(of_class="a"), True),
        (FlipsShown(of_class="b"), True),
        (FlipsShown(of_class="c"), False),
        (FlipsShown(kind="right_to_wrong"), True),
        (FlipsShown(kind="wrong_to_right"), False),
        (FlipsShown(cell=("a", "b"), of_class="c"), False),
    ],
)
def test_a_flip_is_found_by_its_cell_its_kind_and_every_class_that_it_has_to_do_with(
    wanted: FlipsShown, has: bool
) -> None:
    assert wanted.has(FLIP) is has


@pytest.mark.parametrize("text", ["", "x" * 81, "a\nb", "a\u202eb"])
def test_a_target_that_would_break_or_turn_a_line_is_not_taken_from_a_link(text: str) -> None:
    assert target_choice._read(text) is None


def test_gates_that_cannot_be_read_are_refused_with_the_line_and_change_nothing(
    page_workspace: Workspace,
) -> None:
    app = page()
    app.file_uploader[0].upload("bad.yaml", b"gates:\n- {measure: beauty, limit: 1}", "text/yaml")
    run(app)
    assert_said_after(app, "line 2", lambda one: one.type == "file_uploader")
    assert any("line 2" in one.value and "beauty" in one.value for one in app.warning)
    assert app.selectbox(key="review.gates").value == "non_inferiority"
    assert page_workspace.database.rows("SELECT COUNT(*) FROM gates") == [(0,)]


def test_chosen_gates_stand_in_the_link_and_others_that_nobody_noted_do_not(
    page_workspace: Workspace,
) -> None:
    app = page(gates="mlperf_99")
    assert app.selectbox(key="review.gates").value == "mlperf_99"
    assert "at least 99 %" in texts(app).replace("\\", "")
    app.selectbox(key="review.gates").set_value("mlperf_999")
    run(app)
    assert app.query_params["gates"] in ("mlperf_999", ["mlperf_999"])
    assert page_workspace.database.rows("SELECT COUNT(*) FROM gates") == [(1,)], "choosing fixes"
    assert page(gates="0" * 64).selectbox(key="review.gates").value == "non_inferiority"


def test_the_page_speaks_chinese_and_of_a_model_without_test_items() -> None:
    subject = uploaded()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject}
    for name, value in {"m": "own-1", "r": encoded([["a", PRUNED[0][1]]]), "lang": "zh"}.items():
        app.query_params[name] = value
    app.run()
    run(app.switch_page("pages/review.py"))
    with use_language("zh"):
        assert app.title[0].value == _("May it go out?")
        assert app.button(key="review.look").label == _("Look at the {split} items and judge").format(
            split=_("validation")
        )


def test_a_file_that_was_read_and_let_go_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploaded_files.st, "session_state", {"box": DeletedFile("gone")})
    assert uploaded_files.just_given("box") is None
