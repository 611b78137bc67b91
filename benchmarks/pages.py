"""Server time of a rerun of each page, and its largest figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamlit.testing.v1 import AppTest

from benchmarks.clock import Limit, milliseconds
from benchmarks.networks import Size, many_linears
from compress_core.apply.lineage import compressed_by
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from dashboard.links import encoded
from dashboard.state import KEY, UPLOADS, USER_MODEL
from dashboard.view import View

APP = str(Path(__file__).parent.parent / "app.py")
PAGES = ("start", "tune", "weights", "behavior", "explain", "deploy")
LARGEST_SAMPLE = "lenet5"
MOST_MS, MOST_MB = 300, 1
_STEPS = [Step.of("magnitude", sparsity=0.9), Step.of("uniform", bits=4)]


def cases(size: Size) -> Iterator[Limit]:
    """Tune with many layers, then every page on the largest sample model."""
    own = many_linears(size)
    layers = [layer.name for layer in own.layers]
    app = _opened(USER_MODEL + own.digest[:12], layers, own)
    yield _rerun(app, "tune", f"rerun of Tune, {len(layers)} layers")
    yield _moved(app, f"the same after a slider moved, {len(layers)} layers")
    app = _opened(LARGEST_SAMPLE, ["fc1"])
    for page in PAGES:
        yield _rerun(app, page, f"rerun of {page.capitalize()}, {LARGEST_SAMPLE}")
        yield Limit("  its largest figure", "MB", lambda: _largest_figure(app), MOST_MB, rounds=1)


def _opened(model: str, layers: list[str], own: Subject | None = None) -> AppTest:
    """The app as a link opens it, with a recipe for these layers."""
    app = AppTest.from_file(APP, default_timeout=300)
    if own is not None:
        app.session_state[UPLOADS] = {model: own}
    app.query_params["m"] = model
    app.query_params["r"] = encoded([[name, [step.as_json() for step in _STEPS]] for name in layers])
    return _assert_fine(app.run())


def _assert_fine(app: AppTest) -> AppTest:
    assert not app.exception, [error.message for error in app.exception]
    return app


def _rerun(app: AppTest, page: str, words: str) -> Limit:
    opened = False

    def run() -> float:
        nonlocal opened
        if not opened:
            _assert_fine(app.switch_page(f"pages/{page}.py").run())
            _assert_fine(app.run())
            opened = True
        return _milliseconds(app)

    return Limit(words, "ms", run, MOST_MS)


def _moved(app: AppTest, words: str) -> Limit:
    """Another recipe in each run, as after the release of a slider: evaluated anew."""
    places = iter(range(10, 90))

    def run() -> float:
        view = app.session_state[KEY]
        name, _ = view.recipe.layers[0]
        step = Step.of("magnitude", sparsity=next(places) / 100)
        recipe = ResolvedRecipe(((name, (step, _STEPS[1])), *view.recipe.layers[1:]))
        app.session_state[KEY] = View(view.model, compressed_by(recipe), view.layer)
        return _milliseconds(app)

    return Limit(words, "ms", run)


def _milliseconds(app: AppTest) -> float:
    """CPU time of one run; it includes what the test driver adds, so the server's own is a little less."""
    spent = milliseconds(app.run)
    _assert_fine(app)
    return spent


def _largest_figure(app: AppTest) -> float:
    """Megabytes of the largest chart's JSON; 0 where the page has none."""
    charts = app.get("plotly_chart")
    return max((len(chart.proto.spec or chart.proto.figure.spec) for chart in charts), default=0) / 1e6
