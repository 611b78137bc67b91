"""The page Explain, drawn by Streamlit without a browser, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from compress_core.foundation.progress import Progress
from compress_core.jobs.info import Info, State
from compress_core.loading.items import Items
from compress_core.loading.weights_subject import user_subject
from dashboard import job_panel as jobs
from dashboard import shared_value, state, visitor_jobs
from dashboard.explain.choice import next_after
from dashboard.explain.plain_words import verdict
from dashboard.links import encoded
from dashboard.text import _, use_language
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow

PRUNED = [{"technique": "magnitude", "sparsity": 0.9}]
LANGUAGES = ("en", "zh")
PATIENCE = 120.0


@pytest.fixture(autouse=True, scope="module")
def _no_worker_is_left() -> Iterator[None]:
    yield
    jobs.runner().close()
    shared_value.clear_all()


def page(model: str, language: str = "en", layer: str = "") -> AppTest:
    """The page after its first run; layer: the one that is pruned."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["m"] = model
    app.query_params["lang"] = language
    if layer:
        app.query_params["r"] = encoded([[layer, PRUNED]])
    return app.switch_page("pages/explain.py").run()


def texts(app: AppTest) -> str:
    shown = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.info, *app.warning]
    return "\n".join(str(element.value) for element in shown)


def button(app: AppTest, label: str) -> object:
    return next(b for b in app.button if b.label == label)


def methods(app: AppTest) -> Any:
    """The control that chooses the method."""
    return next(one for one in app.button_group if str(one.key).startswith("explain.method."))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("model", "layer"), [("lenet300", "fc1"), ("tabular", "fc1")])
def test_the_page_shows_an_item_of_an_image_and_of_a_table_model(
    model: str, layer: str, language: str
) -> None:
    app = page(model, language, layer)
    assert not app.exception
    with use_language(language):
        assert app.title[0].value == _("Does it still look at the same things?")
        assert [m.label for m in app.metric] == [_("Label"), _("Original says"), _("Compressed says")]
        assert len(app.dataframe[0].value) == (5 if model == "lenet300" else 4)
        assert _("Both models are still the same")[:4] not in "".join(i.value for i in app.info)


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_recipe_the_page_says_that_both_models_are_equal(language: str) -> None:
    app = page("tabular", language)
    assert not app.exception
    with use_language(language):
        said = _(
            "Both models are still the same, so their maps are too: compress a layer on Tune and come back."
        )
    assert said in [i.value for i in app.info]
    table = app.dataframe[0].value
    assert float(table.iloc[0, 1]) == pytest.approx(1)


@pytest.mark.parametrize("has_items", [False, True])
def test_an_own_model_is_explained_where_it_came_with_items(has_items: bool) -> None:
    torch.manual_seed(0)
    weights = {"a.weight": torch.randn(6, 4), "a.bias": torch.randn(6), "b.weight": torch.randn(3, 6)}
    items = Items(torch.rand(20, 4).numpy(), None) if has_items else None
    subject = user_subject({**weights, "b.bias": torch.zeros(3)}, items, name="mine", input_shape=(4,))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject}
    app.query_params["m"] = "own-1"
    app.run()
    app.switch_page("pages/explain.py").run()
    assert not app.exception
    assert ("There is no item to explain" in texts(app)) is not has_items
    assert any(one.key == "slimscope.language.choice" for one in app.button_group), "the foot of every page"
    assert any(b.label == "Explain 20 items" for b in app.button) is has_items
    if has_items:
        button(app, "Explain 20 items").click().run()  # type: ignore[attr-defined]
        (key,) = app.session_state[visitor_jobs.KEY]
        assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
        app.run()
        assert "N = 20 of the 20 items" in texts(app)


def test_only_methods_that_fit_the_model_are_offered() -> None:
    assert "GradCAM" not in texts(page("tabular"))
    options = methods(page("lenet300")).options
    assert len(options) > 2
    assert not any("cam" in str(option).lower() for option in options)


def test_the_next_changed_item_is_predicted_differently() -> None:
    app = page("lenet300", layer="fc1")
    button(app, "Next changed item").click()  # type: ignore[attr-defined]
    app.run()
    assert not app.exception
    _label, before, after = app.metric
    assert before.value != after.value


def test_a_chosen_item_and_method_outlive_a_change_of_page() -> None:
    app = page("lenet300", layer="fc1")
    app.number_input(key="explain.item").set_value(7).run()
    app.switch_page("pages/tune.py").run()
    app.switch_page("pages/explain.py").run()
    assert app.number_input(key="explain.item").value == 7


def test_many_items_are_explained_by_a_job_and_an_old_result_is_marked() -> None:
    app = page("tabular", layer="fc1")
    button(app, "Explain 64 items").click()  # type: ignore[attr-defined]
    app.run()
    assert not app.exception
    key = next(iter(app.session_state[visitor_jobs.KEY]))
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    app.run()
    assert not app.exception
    assert "N = 64 of the 114 items of the validation split, drawn at random with seed 0" in texts(app)
    assert [m.label for m in app.metric][3:] == [
        "all items",
        "prediction kept",
        "prediction flipped",
        "noise ceiling",
        "random floor",
    ]
    assert "An older result" not in texts(app)
    methods(app).set_value("saliency")
    app.run()
    assert not app.exception
    assert "An older result: Integrated gradients, 64 items" in texts(app)


class _Stub:
    """A runner that knows one job and remembers who cancelled."""

    def __init__(self, **known: Any) -> None:
        self.known = known
        self.cancelled: list[str] = []

    def info(self, key: str) -> Info:
        return Info(key, **self.known)

    def cancel(self, key: str, _watcher: str) -> None:
        self.cancelled.append(key)


def _jobs_page() -> None:
    from dashboard import job_panel as jobs

    jobs.summary()
    for key in jobs.under_way():
        jobs.watch(key)


def with_job(monkeypatch: pytest.MonkeyPatch, stub: _Stub) -> AppTest:
    monkeypatch.setattr(jobs, "runner", lambda: stub)
    app = AppTest.from_function(_jobs_page, default_timeout=60)
    app.session_state[visitor_jobs.KEY] = {"k": "Explain 64 items"}
    return app.run()


def progress_texts(app: AppTest) -> list[str]:
    return [str(getattr(bar, "text")) for bar in app.get("progress")]  # noqa: B009 - unknown to mypy


def test_a_running_job_shows_how_far_it_is_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    far = Progress(64, 256, "after compression")
    stub = _Stub(state=State.RUNNING, progress=far, seconds=5.0)
    app = with_job(monkeypatch, stub)
    assert not app.exception
    header, own = progress_texts(app)
    assert own == "64 of 256 · after compression · about 15 s left"
    assert header == f"Explain 64 items: {own}"
    button(app, "Cancel").click().run()  # type: ignore[attr-defined]
    assert stub.cancelled == ["k"]


def test_a_waiting_job_says_how_many_are_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = with_job(monkeypatch, _Stub(state=State.QUEUED, ahead=2))
    assert progress_texts(app)[-1] == "Waiting: 2 before it"


def test_a_finished_job_is_not_in_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_texts(with_job(monkeypatch, _Stub(state=State.DONE))) == []


@pytest.mark.parametrize(
    ("seconds", "share", "left"), [(1.0, 0.01, None), (10.0, 0.25, 30.0), (9.0, 1.0, 0.0)]
)
def test_the_time_left_is_told_once_it_can_be(seconds: float, share: float, left: float | None) -> None:
    found = Info("k", State.RUNNING, Progress(round(100 * share), 100, ""), seconds=seconds)
    assert found.seconds_left == (None if left is None else pytest.approx(left))


def test_the_next_number_starts_over_at_the_end() -> None:
    assert next_after([2, 5], 0) == 2
    assert next_after([2, 5], 2) == 5
    assert next_after([2, 5], 5) == 2
    assert next_after([], 3) == 3


def test_the_verdict_follows_ceiling_and_floor() -> None:
    said = [verdict(median, noise=0.9, random=0.1) for median in (0.95, 0.8, 0.5, 0.2, 0.05)]
    assert len(set(said)) == 5
    assert "same things" in said[0]
    assert "chance" in said[-1]
