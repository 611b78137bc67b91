"""A review as a job, and as a function of the face: the same as the command makes."""

from __future__ import annotations

from pathlib import Path

import pytest

import compress_core
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, tasks
from compress_core.reviews.gate_file import read_gates, ready_made_gates
from compress_core.tasks.judge_gates import REVIEW, ReviewKnobs
from tests.test_review import ON_CHURN, coarse, small_subject

pytestmark = pytest.mark.slow


def test_a_job_brings_the_review_back_whole() -> None:
    store = Store()
    model = coarse(small_subject(), store)
    knobs = ReviewKnobs(gates=ON_CHURN)
    assert ReviewKnobs.model_validate_json(knobs.model_dump_json()) == knobs
    found = result_of(REVIEW.run(model, knobs, 0, store))
    assert REVIEW.unpack(ResultFiles.read(REVIEW.pack(found).as_bytes())) == found
    assert tasks()["review"] is REVIEW


def test_the_face_reviews_by_name_by_file_and_by_value(tmp_path: Path) -> None:
    store = Store()
    model, heard = coarse(small_subject(), store), list[Progress]()
    found = compress_core.review(model, ON_CHURN, watch=heard.append, store=store)
    assert found.verdict.value == "pass"
    assert heard[-1].done < heard[-1].total
    usual = compress_core.review(model, store=store).gates
    assert usual == read_gates(ready_made_gates()["no_loss"])
    written = tmp_path / "gates.yaml"
    written.write_text(ready_made_gates()["no_loss"], encoding="utf-8")
    assert compress_core.review(model, written, store=store).gates == usual
    with pytest.raises(Refused, match="cannot be read"):
        compress_core.review(model, "nowhere.yaml", store=store)
    with pytest.raises(Refused, match="needs a compressed model"):
        compress_core.review(model.subject, store=store)  # type: ignore[arg-type]
