"""What all sessions share: one store of results, one copy of every sample model."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.background import Background
from dashboard.page_runs import PAGE_RUNS
from dashboard.shared_value import SharedValue

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.number import Number
    from compress_core.foundation.store import Store
    from compress_core.foundation.workspace.workspace import Workspace
    from compress_core.loading.file_reader import FileReader
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

ICON = Path(__file__).parent / "icon.png"
STORE_BYTES = 3 * 2**28
RESTING_BYTES, UNUSED_S = 2**28, 240.0  # above so many, what nobody asked for in so long goes
QUICK_ITEMS = 500  # thirty people on two cores: with 1,000, half of what a change took was this
COLLECTED_AFTER = 10_000, 10, 10  # every 700 objects, as Python does, took a twelfth of the time of tests
_RESTING = "slimscope.resting_model"
AT_ONCE_S, PATIENCE_S, ASK_EVERY_S = 0.1, 0.4, 1.0  # how long a page waits for the numbers of all items


@SharedValue
def warming_up() -> threading.Thread:
    """Import torch while the visitor reads the first page."""
    thread = threading.Thread(target=_import_slow_libraries, daemon=True)
    thread.start()
    threading.Thread(target=_compile_what_packs, args=(thread,), daemon=True).start()
    return thread


def warm() -> None:
    """Wait until that is done: of two threads that import torch at once, one may see half of it."""
    warming_up().join()


def _import_slow_libraries() -> None:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    import plotly.graph_objects  # noqa: F401

    import compress_core.measure.behavior.evaluate
    import compress_core.measure.tables.knob_tables
    import compress_core.measure.tables.prune_rows  # noqa: F401

    gc.collect()
    gc.freeze()  # some 100,000 objects that live as long as the server: no collection walks them again
    gc.set_threshold(*COLLECTED_AFTER)


def _compile_what_packs(after: threading.Thread) -> None:
    """Behind all that a page waits for: the first time on a machine it takes some ten seconds."""
    after.join()
    from compress_core.deliver.packing.beforehand import compile_beforehand

    compile_beforehand()


@SharedValue
def reader() -> FileReader:
    """Who reads what visitors upload, in processes of their own."""
    from compress_core.loading.file_reader import FileReader

    return FileReader()


@SharedValue
def workspace() -> Workspace:
    """What outlives this server, in the folder that SLIMSCOPE_WORKSPACE names; needs no torch."""
    from compress_core.foundation.workspace.workspace import open_workspace

    opened = open_workspace()
    if opened.warning is not None:
        logging.getLogger(__name__).warning(opened.warning)
    return opened


@SharedValue
def store() -> Store:
    """Results of all sessions by content, in memory and, where they are worth it, in the workspace."""
    from compress_core.foundation.store import Store

    return Store(STORE_BYTES, workspace(), maker=None)


@SharedValue
def sample(name: str) -> Subject:
    """A sample model, loaded once for everybody and never changed."""
    from compress_core.loading.samples import load_sample

    return load_sample(name)


@SharedValue
def background() -> Background:
    """The thread that does what no page has to wait for."""
    return Background()


@SharedValue
def background_of_outputs() -> Background:
    """Another one, which measures what layers put out: nobody's accuracy waits for that."""
    return Background()


@SharedValue
def background_of_answers() -> Background:
    """One more, for what an item would be answered elsewhere: nobody else waits for that."""
    return Background()


def answers_worked_out(key: str, work: Callable[[], object]) -> bool:
    """Have it worked out in the background, unless other tabs wait for their accuracy; whether that ended."""
    return not others_wait() and background_of_answers().wish(session_id(), key, work).done()


@SharedValue
def packing() -> Background:
    """The thread that packs files to see how small they get: large ones take long, and no number waits."""
    return Background()


@SharedValue
def comparing() -> Background:
    """The thread that works out what is compared in a tab of a page, while the page stands."""
    return Background()


@dataclass(frozen=True)
class Quick:
    """Numbers of the first items of a split, to show while the whole split is computed."""

    numbers: Mapping[str, Number]
    items: int


def quick_numbers(model: Model, split: Split, items: int = QUICK_ITEMS) -> Quick:
    """Every number on the first items only; the page says so, and nothing of it goes to the disk."""
    from compress_core.measure.behavior.evaluate import evaluate

    head = first_items(split, items)
    if not is_evaluated(model, head):
        PAGE_RUNS.stand_back()
    return Quick(evaluate(model, head, store().without_workspace()), len(head))


def first_items(split: Split, items: int = QUICK_ITEMS) -> Split:
    """The first items of a split, the same object every time."""
    from compress_core.subject.split import Split

    def make() -> Split:
        labels = None if split.labels is None else split.labels[:items]
        return Split(split.name, split.inputs[:items], labels)

    return store().get(f"head:{items}:{split.digest}", make)


def is_evaluated(model: Model, split: Split) -> bool:
    """Whether the whole split has already been computed for this model."""
    from compress_core.measure.behavior.evaluate import is_predicted

    return is_predicted(model, split, store())


def evaluated_within(seconds: float, model: Model, split: Split) -> bool:
    """Have the whole split computed in the background; whether that ended, waiting where nobody else does."""
    from compress_core.measure.behavior.evaluate import evaluate

    session = session_id()
    alone = not background().others_wait(session)
    key = f"{model.key}:{split.digest}"
    over = background().wish(session, key, lambda: evaluate(model, split, store()))
    _wait_for(over, seconds if alone else 0)
    return over.done()


def outputs_measured_within(seconds: float, model: Model, layers: tuple[str, ...], owner: str) -> bool:
    """Have the errors of some layers' outputs measured in the background; whether that ended in time.

    owner: for whom it is kept, empty for all.
    """
    from compress_core.measure.tables.output_errors import output_errors

    def measure() -> None:
        store().owner(owner)
        output_errors(model, store(), layers)

    if others_wait():
        return False
    over = background_of_outputs().wish(session_id(), f"{model.key}:{layers}", measure)
    _wait_for(over, seconds)
    return over.done()


def _wait_for(over: Future[None], seconds: float) -> None:
    if seconds and not over.done():
        with PAGE_RUNS.waiting():
            wait([over], seconds)


def compared_within(seconds: float, key: str, work: Callable[[], object]) -> bool:
    """Have what a tab compares worked out in the background; whether that ended in time."""
    if comparing().is_over(session_id(), key):
        return True
    if others_wait():
        return False
    over = comparing().wish(session_id(), key, work)
    _wait_for(over, seconds)
    return over.done()


def others_wait() -> bool:
    """Whether other tabs wait for their accuracy: then what is asked for less is left for later."""
    return background().others_wait(session_id())


def packed_size_if_known(model: Model) -> Number | None:
    """Bytes of the packed file; None while it is being made.

    That begins when a tab asks for the same model a second time: what is about to change is not packed.
    """
    from compress_core.deliver import packed_size as packed

    if not packed.is_packed(model, store()):
        rests = st.session_state.get(_RESTING) == model.key
        st.session_state[_RESTING] = model.key
        if not rests or others_wait() or not _packs(model).done():
            return None
    return packed.packed_size(model, store())


def _packs(model: Model) -> Future[None]:
    from compress_core.deliver.packed_size import packed_size

    return packing().wish(session_id(), model.key, lambda: packed_size(model, store()))


def session_id() -> str:
    """The tab that a script runs for."""
    context = get_script_run_ctx()
    assert context is not None, "asked outside of a page"
    return context.session_id
