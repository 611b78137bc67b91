"""What nobody waits for lets pages go first, between its pieces, and still comes to its end."""

from __future__ import annotations

import threading

import pytest

from compress_core.foundation.giving_way import give_way, giving_way
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import recording_of
from compress_core.measure.behavior.replay import replay
from compress_core.network.shared_copy import shared_copy
from dashboard import page_runs
from dashboard.background import Background
from dashboard.page_runs import PAGE_RUNS, PageRuns
from tests.subjects import loaded_sample


def test_work_that_nobody_waits_for_asks_before_every_batch() -> None:
    subject, asked = loaded_sample("tabular"), []
    recording = recording_of(subject, subject.split("validation"), Store())
    with giving_way(lambda: asked.append(1)):
        replay(shared_copy(subject.network), recording, None)
    assert len(asked) == len(recording.batches)
    give_way()
    assert len(asked) == len(recording.batches), "outside of it nobody is asked"


def test_a_piece_begins_when_the_last_page_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_runs, "PATIENCE_S", 60.0)
    runs, over = PageRuns(1), threading.Event()
    piece = threading.Thread(target=lambda: (runs.let_go_first(), over.set()))
    with runs.running():
        piece.start()
        assert not over.wait(0.05), "a page runs"
    assert over.wait(60)


def test_a_page_that_waits_for_the_work_is_not_made_way_for() -> None:
    runs = PageRuns(1)
    with runs.running(), runs.waiting():
        runs.let_go_first()
        assert runs.is_quiet
    assert runs.is_quiet


def test_pages_that_never_rest_do_not_stop_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_runs, "PATIENCE_S", 0.01)
    runs = PageRuns(1)
    with runs.running():
        runs.let_go_first()
        assert not runs.is_quiet


def test_what_the_background_does_lets_pages_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_runs, "PATIENCE_S", 60.0)
    monkeypatch.setattr(PAGE_RUNS, "_most", 1)
    background = Background()
    with PAGE_RUNS.running():
        over = background.wish("tab", "key", give_way)
        assert not over.done()
    over.result(60)
    background.close()
