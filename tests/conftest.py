"""What every test shares: one thread, repeatable examples, the browser."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable  # noqa: UP035 - the one that keeps what it made
from zlib import crc32

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SLIMSCOPE_WORKSPACE"] = ""  # no test writes into the user's folder, and none finds its results

import pytest
from hypothesis import settings

from scripts.browser import NONE_FOUND, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from compress_core.foundation.workspace.workspace import Workspace
    from compress_core.measure.behavior.replay import Recording
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

FEW, FEWER = 300, 64  # items to judge by, and to calibrate with
LONGEST_S = 300.0  # that a page may take on a machine that does much else
DRIVES_A_BROWSER = pytest.StashKey[set[Path]]()

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile("quick", settings.get_profile("repeatable"), max_examples=20)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the quick loop look at some cases of each test."""
    parser.addoption(
        "--cases", type=int, metavar="N", help="of the cases of each test at most N, spread over all"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that drive a browser come first, then those with slow tests, so that all workers end together."""
    most: int | None = config.getoption("--cases")
    if most is not None:
        kept = spread(items, most)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]
    marks = {item: {mark.name for mark in item.iter_markers()} for item in items}
    weight: defaultdict[Path, int] = defaultdict(int)
    for item, names in marks.items():
        weight[item.path] = max(weight[item.path], 2 * ("browser" in names) + ("slow" in names))
    items.sort(key=lambda item: -weight[item.path])
    config.stash[DRIVES_A_BROWSER] = {path for path, many in weight.items() if many >= 2}


def spread(items: Iterable[pytest.Item], most: int) -> set[pytest.Item]:
    """At most so many cases of each test, evenly spread, beginning at another place for each test.

    So a technique that stands in many tests is looked at by some of them.
    """
    cases: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.split("[")[0]].append(item)
    kept: set[pytest.Item] = set()
    for name, there in cases.items():
        count, start = min(most, len(there)), crc32(name.encode())
        kept |= {there[(index * len(there) // count + start) % len(there)] for index in range(count)}
    return kept


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """What is imported stays to the end: no collection of garbage looks through it, neither now nor later.

    Later ones are rarer than Python's: every 700 objects they took a twelfth of all the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """A network that a test makes begins with the same weights every time.

    No fixture, which would take a tenth of a millisecond more of each of thirteen thousand tests.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.manual_seed(0)
        _operators_are_listed_once()


@pytest.fixture(scope="session", autouse=True)
def _pages_wait_for_all_items() -> None:
    """A test looks at a page once, when all numbers are there; what stands until then is tested apart."""
    if "dashboard.engine" in sys.modules:
        sys.modules["dashboard.engine"].PATIENCE_S = LONGEST_S


@pytest.fixture(scope="session", autouse=True)
def _jobs_of_pages_are_forks() -> None:
    """A worker takes four seconds of a processor to begin, and its spare too; see tests/test_worker.py."""
    if "dashboard.job_panel" in sys.modules:
        from compress_core.jobs import local_runner
        from compress_core.jobs.cluster import ray_runner  # noqa: F401 - before what it stands on is replaced
        from tests.served import FORKS, the_nursery

        begun = local_runner.LocalRunner

        def with_forks(*arguments: Any, **named: Any) -> local_runner.LocalRunner:
            return begun(*arguments, **named, command=the_nursery().job_command())

        if FORKS:
            local_runner.LocalRunner = with_forks


@pytest.fixture(scope="session", autouse=True)
def _samples_are_recorded_once() -> None:
    """Every store has a sample's own network run over its items first, up to two seconds of a processor.

    What comes of it hangs on weights and items alone: the stores of a worker share it.
    """
    if "compress_core.measure.behavior.evaluate" in sys.modules:
        from compress_core.foundation.memory_budget import memory_budget
        from compress_core.foundation.store import Store, digest
        from compress_core.measure.behavior import evaluate

        made, shared = evaluate.recording_of, Store(2**28)

        def once(subject: Subject, split: Split, store: Store) -> Recording:
            if type(subject.network).__module__ != "sample_models.architectures":
                return made(subject, split, store)
            key = digest("recording of a sample", subject.key, split.digest, memory_budget())
            return store.get(key, lambda: made(subject, split, shared), lambda r: r.nbytes)

        evaluate.recording_of = once


@pytest.fixture(scope="session", autouse=True)
def _installed_packages_are_searched_for_components_once() -> None:
    """Streamlit reads what every package says of itself for each `AppTest`, a third of a second of it."""
    if "streamlit" in sys.modules:
        from streamlit.components.v2 import manifest_scanner

        manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(scope="session", autouse=True)
def _the_program_is_put_together_once() -> None:
    """Typer makes all commands with their options anew for each call, more work than most of them do."""
    if "typer.testing" in sys.modules:
        from typer import testing

        testing._get_command = cache(testing._get_command)


@pytest.fixture(scope="session", autouse=True)
def _a_page_is_waited_for_in_its_sleep() -> None:
    """Streamlit's test asks a thousand times a second whether the script ended, which slows it.

    Nor does it give up after three seconds, or a minute: a busy machine is no fault of a page.
    """
    if "streamlit.testing.v1" in sys.modules:
        from streamlit.testing.v1 import local_script_runner

        asked = local_script_runner.require_widgets_deltas

        def waited(runner: local_script_runner.LocalScriptRunner, timeout: float = 3) -> None:
            begun, timeout = time.monotonic(), max(timeout, LONGEST_S)
            if runner._script_thread is not None:
                runner._script_thread.join(timeout)
            asked(runner, max(0.1, begun + timeout - time.monotonic()))

        local_script_runner.require_widgets_deltas = waited


def _operators_are_listed_once() -> None:
    """torch lists its operators anew for each export, and reads the source of five hundred of ONNX.

    Each list takes up to half a second. So does making the type of each operator's decorator anew, which
    `typing` keeps and `collections.abc` does not.
    """
    registration = sys.modules.get("torch.onnx._internal.exporter._registration")
    registry = getattr(registration, "ONNXRegistry", None)
    if registry is not None and not hasattr(registry.from_torchlib, "cache_info"):
        registry.from_torchlib = staticmethod(cache(registry.from_torchlib))
    export = sys.modules.get("torch._export.utils")
    if export is not None and not hasattr(export._materialize_cpp_cia_ops, "cache_info"):
        export._materialize_cpp_cia_ops = cache(export._materialize_cpp_cia_ops)
        sys.modules["torch._ops"].Callable = Callable


@pytest.fixture
def page_workspace(tmp_path: Path) -> Iterator[Workspace]:
    """The workspace of pages that are run in this process, on the disk, for this test alone."""
    from compress_core.foundation.workspace.folder import VARIABLE
    from dashboard import engine, job_panel, shared_value

    shared_value.clear_all()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, str(tmp_path))
        yield engine.workspace()
        job_panel.runner().close()
    shared_value.clear_all()


@pytest.fixture
def few_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages judge sample models on some items: for claims that hold for any number of them."""
    from dashboard import engine

    monkeypatch.setattr(engine, "sample", _with_few_items)


@pytest.fixture
def all_items(few_items: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file of few items, a claim that takes them all."""
    monkeypatch.undo()


@cache
def _with_few_items(name: str) -> Subject:
    from compress_core.loading.samples import load_sample

    found = load_sample(name)
    few = {n: items.first(FEWER if n == "calibration" else FEW) for n, items in found.splits.items()}
    return replace(found, splits=few)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The program of the browser that `make test` found."""
    program = find_browser()
    if program is None:
        pytest.fail(NONE_FOUND)
    return program


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Browser:
    """The browser of all tests of this worker (tests/one_tab.py)."""
    from tests.one_tab import SHARED

    return SHARED.browser(browser_path)


@pytest.fixture(scope="module")
def shared_tab(browser_path: str) -> Page:
    """A tab of it, which every test gives back as if it had not been there."""
    from tests.one_tab import SHARED

    return SHARED.tab(browser_path, "desk")


@pytest.fixture(scope="module")
def phone_tab(browser_path: str) -> Page:
    """Another one, on a small screen with fingers."""
    from tests.one_tab import PHONE, SHARED

    return SHARED.tab(browser_path, "phone", **PHONE)


@pytest.fixture
def standing_tab(browser_path: str) -> Page:
    """One more, empty, in which no time passes by itself: a clock stands for all pages of a context."""
    from tests.one_tab import SHARED, standing_still

    return standing_still(SHARED.tab(browser_path, "standing"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The browser ends before a file that drives none: its event loop stands in the way of others."""
    tabs = sys.modules.get("tests.one_tab")
    if tabs is not None and (nextitem is None or nextitem.path not in item.config.stash[DRIVES_A_BROWSER]):
        tabs.SHARED.close()
