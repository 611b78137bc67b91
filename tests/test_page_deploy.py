"""The page Deploy, drawn by Streamlit without a browser."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.export_format import export_formats
from compress_core.deliver.exports import ExportedFiles
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.jobs.info import Info, State
from compress_core.loading.weights_subject import user_subject
from compress_core.measure.behavior.metric import NO_CLASSES_HERE
from compress_core.measure.cost.portability import steps_of
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.tasks.export_files import FILES, FilesKnobs
from compress_core.tasks.measure_latency import LATENCY, LatencyKnobs
from dashboard import engine, shared_value, state, visitor_jobs
from dashboard import job_panel as jobs
from dashboard.deploy import files, job_results
from dashboard.deploy.targets import step_title
from dashboard.deploy.work import work_frame
from dashboard.links import encoded
from dashboard.show import number_text
from dashboard.text import _, use_language
from tests.subjects import loaded_sample, mlp_subject, rules
from tests.test_architecture import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

STEPS = (Step.of("magnitude", sparsity=0.9), Step.of("uniform", bits=5))
TABS = (
    "What can I take away?",
    "Is it small?",
    "Is it fast?",
    "What does a pass cost?",
    "Where does it help?",
)
PATIENCE = 120.0


@pytest.fixture(autouse=True, scope="module")
def _no_worker_is_left() -> Iterator[None]:
    yield
    jobs.runner().close()
    shared_value.clear_all()


class _Stub:
    """A runner that knows how some jobs stand, and what the finished ones left."""

    def __init__(self, left: bytes = b"", **known: Info) -> None:
        self.left, self.known = left, known

    def result(self, _key: str) -> bytes:
        return self.left

    def info(self, key: str) -> Info:
        return self.known.get(key, Info(key, State.UNKNOWN))


def page(tab: str = TABS[0], *, steps: tuple[Step, ...] = STEPS, language: str = "en") -> AppTest:
    """The page of the table model after its first run, its first layer treated with the steps."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["m"] = "tabular"
    app.query_params["lang"] = language
    if steps:
        app.query_params["r"] = encoded([["fc1", [step.as_json() for step in steps]]])
    return opened(app, tab, language)


def opened(app: AppTest, tab: str, language: str = "en") -> AppTest:
    with use_language(language):
        app.session_state["deploy.tabs"] = _(tab)
    app.run()
    app.switch_page("pages/deploy.py").run()
    assert not app.exception, [error.message for error in app.exception]
    return app


def texts(app: AppTest) -> str:
    shown = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.info, *app.warning]
    return "\n".join(str(element.value) for element in shown)


def button(app: AppTest, label: str) -> object:
    return next(b for b in app.button if b.label == label)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("steps", [STEPS, ()], ids=["compressed", "unchanged"])
def test_every_tab_is_drawn(tab: str, language: str, steps: tuple[Step, ...]) -> None:
    app = page(tab, language=language, steps=steps)
    with use_language(language):
        hint = _("This is still the model as loaded: compress a layer on Tune, and see what it gains here.")
        assert app.title[0].value == _("Is it really small and fast, and where?")
    assert (hint in texts(app)) is not steps


def test_nothing_is_said_of_files_and_times_before_they_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_results, "packed_size_at_hand", lambda _model, _store: None)
    app = page(TABS[2])
    plain, packed, torch_time, best = app.metric
    assert "KiB" in plain.value
    assert [packed.value, torch_time.value, best.value] == ["…", "not measured", "not measured"]
    assert "Not measured yet" in texts(app)


@pytest.mark.parametrize("tab", TABS[:2])
def test_bytes_of_the_packed_file_that_the_header_knows_stand_on_the_page_before_it_is_made(tab: str) -> None:
    steps = (Step.of("magnitude", sparsity=0.7),)
    made = packed_size(compress(loaded_sample("tabular"), rules(fc1=steps), Store()), engine.store())
    app = page(tab, steps=steps)
    assert app.metric[1].value == number_text(made)
    if tab == TABS[0]:
        assert f"**{number_text(made)}**" in texts(app)
    else:
        assert number_text(made) in app.table[-1].value.to_string()


def test_the_plain_file_says_what_reads_it_and_what_other_programs_get() -> None:
    said = texts(page())
    assert "any program that opens safetensors" not in said
    assert "Needs: Python with slimscope and the model as loaded" in said
    assert "Codes of the kept weights, packed bit by bit" in said
    assert "The network takes values x as" in said


def test_a_file_is_made_beside_the_page_and_tried_on_every_item() -> None:
    app = page()
    button(app, "Make").click().run()  # type: ignore[attr-defined]
    (key,) = app.session_state[visitor_jobs.KEY]
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    app.run()
    assert not app.exception
    assert texts(app).count("Run on 114 validation items: same class as torch on 100.00 %") == 1
    assert app.metric[1].value != "…"
    assert len(app.get("download_button")) == 2
    assert [b.label for b in app.button].count("Make") == len(export_formats()) - 1
    assert opened(app, TABS[1]).table[-1].value.iloc[:, 0].str.contains("Packed file").any()


def test_a_file_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Refused("No weight of {model} has codes.", model="<b>it</b>")
    key = FILES.job(_model(), FilesKnobs(file_format="int8"), 0, found_in="tabular").key
    info = Info(key, State.REFUSED, problem=refused)
    monkeypatch.setattr(jobs, "runner", lambda: _Stub(**{key: info}))
    app = page()
    assert "No weight of" in texts(app)
    assert [b.disabled for b in app.button if b.label == "Make"] == [False, False, False, True]


@pytest.fixture(scope="module")
def times() -> tuple[str, bytes]:
    """The key of a job that the page starts, and what it leaves: times measured in a hurry."""
    model = _model()
    hurry = LatencyKnobs(rounds=5, seconds=0.0, onnx=False, processes=3)
    measured = result_of(LATENCY.run(model, hurry, 0, Store()))
    key = LATENCY.job(model, LatencyKnobs(), 0, found_in="tabular").key
    return key, LATENCY.pack(measured).as_bytes()


def _model() -> Model:
    subject = loaded_sample("tabular")
    return compress(subject, rules(fc1=STEPS), Store())


def test_measured_times_come_with_reasons_and_forms_and_an_old_one_is_marked(
    monkeypatch: pytest.MonkeyPatch, times: tuple[str, bytes]
) -> None:
    key, left = times
    monkeypatch.setattr(jobs, "runner", lambda: _Stub(left, **{key: Info(key, State.DONE)}))
    app = page(TABS[2])
    assert app.metric[2].value.endswith("x")
    reasons = next(t.value for t in app.table if "why" in t.value)
    assert "torch" in reasons["runtime"].tolist()
    assert reasons["why"].str.len().min() > 10
    assert set(app.dataframe[0].value["layer"]) == {"fc1", "fc2", "fc3"}
    assert "Older times" not in texts(app)
    assert not button(app, "Measure again").disabled  # type: ignore[attr-defined]
    half = reasons[reasons["runtime"] == "torch, bfloat16"].iloc[0]
    assert half["times faster than the original there"] != half["than the original in torch"]
    app.session_state[state.KEY] = state.with_recipe(app.session_state[state.KEY], rules(fc1=STEPS[:1]))
    app.run()
    assert not app.exception
    assert "Older times, of recipe" in texts(app)
    assert app.metric[2].value == "not measured"


def test_a_model_without_items_can_be_taken_away_but_not_timed() -> None:
    subject = user_subject(
        dict(mlp_subject().network.state_dict()), None, name="mine", input_shape=mlp_subject().input.shape
    )
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject}
    app.query_params["m"] = "own-1"
    app = opened(app, TABS[2])
    assert "has no validation items" in texts(app)
    app = opened(app, TABS[0])
    assert button(app, "Make all files") is not None


def test_the_same_files_give_the_same_archive() -> None:
    content = {"model.py": b"x = 1", "weights.safetensors": bytes(1000)}
    archive = files.zipped(content)
    assert archive == files.zipped(content)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened_again:
        assert {name: opened_again.read(name) for name in opened_again.namelist()} == content


def test_every_step_has_a_column_of_its_own_on_every_target() -> None:
    twice = Step.of("uniform", bits=4)
    recipe = Recipe(
        layers=(
            Rule("fc1", (Step.of("magnitude"), twice)),
            Rule("fc*", (Step.of("magnitude", pattern="row"), twice)),
        )
    )
    found = steps_of(compress(loaded_sample("lenet300"), recipe, Store()))
    titles = {step_title(step, found) for step in found}
    assert len(titles) == len(found) == 3


def test_energy_is_marked_as_estimated_and_counts_are_not() -> None:
    from compress_core.measure.cost.energy import energy_costs

    costs = energy_costs(_model(), Store())
    frame = work_frame(costs, costs).set_index("")
    assert frame.loc["Energy, estimated"].str.startswith("≈").all()
    assert not frame.loc["Weights read"].str.startswith("≈").any()


def test_a_zip_is_the_same_whatever_the_order_of_its_files() -> None:
    both = {"weights.safetensors": b"weights", "model.py": b"code"}
    assert files.zipped(both) == files.zipped(dict(reversed(both.items())))


def test_a_file_of_real_numbers_is_compared_by_its_outputs_alone() -> None:
    """There are no classes to agree on; a number that is not there is not told inside a sentence."""
    furthest = Number(2e-7, "logit", "measured", n=180)
    missing = Number.missing("share", NO_CLASSES_HERE, 180)
    numbers = dict.fromkeys(("same_class", "accuracy", "accuracy_change"), missing)
    said = files.parity_text(ExportedFiles({}, {"largest_difference": furthest, **numbers}, {}, {}))
    assert said == "Run on 180 validation items: largest difference of any output to torch 2e-07."
    numbers["same_class"] = Number(1.0, "share", "measured", 0.98, 1.0, 180)
    said = files.parity_text(ExportedFiles({}, {"largest_difference": furthest, **numbers}, {}, {}))
    assert "same class as torch on 100.00 %" in said
