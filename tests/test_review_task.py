"""A review as a job, and as a function of the face: the same as the command makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import compress_core
from compress_core.apply.model import Model
from compress_core.decide.budgeting import BudgetPlan
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.search_plan import SearchPlan
from compress_core.decide.swept import SweepPlan
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, tasks
from compress_core.loading.samples import load_sample
from compress_core.reviews.gate_file import read_gates, ready_made_gates
from compress_core.subject.reading_remarks import FileRemarks, ReadingRemarks
from compress_core.tasks.explain_items import ExplainKnobs
from compress_core.tasks.export_files import FilesKnobs
from compress_core.tasks.judge_gates import REVIEW, ReviewKnobs
from compress_core.tasks.measure_latency import LatencyKnobs
from compress_core.tasks.run_recipes import RecipesPlan
from compress_core.tasks.search_groups import GroupSearchKnobs
from compress_core.tasks.train_model import TrainKnobs
from tests.test_review import ON_CHURN, coarse, small_subject

pytestmark = pytest.mark.slow

NAMELESS = {"explain", "groups", "latency", "train"}
ASKED: dict[str, Strict] = {
    "budget": BudgetPlan(requirements=Requirements(packed_bytes=10)),
    "explain": ExplainKnobs(method="saliency", items=6),
    "files": FilesKnobs(file_format="onnx"),
    "groups": GroupSearchKnobs(),
    "latency": LatencyKnobs(),
    "options": ScanPlan(),
    "review": ReviewKnobs(gates=ON_CHURN),
    "run": RecipesPlan(recipes=("{}",)),
    "scan": ScanPlan(),
    "search": SearchPlan(),
    "sweep": SweepPlan(),
    "train": TrainKnobs(plan="{}"),
}


def test_a_job_brings_the_review_back_whole() -> None:
    store = Store()
    model = coarse(small_subject(), store)
    knobs = ReviewKnobs(gates=ON_CHURN)
    assert ReviewKnobs.model_validate_json(knobs.model_dump_json()) == knobs
    found = result_of(REVIEW.run(model, knobs, 0, store))
    assert REVIEW.unpack(ResultFiles.read(REVIEW.pack(found).as_bytes())) == found
    assert tasks()["review"] is REVIEW


def test_equal_models_share_just_the_jobs_whose_results_say_neither_names_nor_bytes() -> None:
    subject = load_sample("tabular")
    read_otherwise = replace(subject, remarks_on=FileRemarks(ReadingRemarks(("Read otherwise.",))))
    called_otherwise = (replace(subject, name="yours"), replace(subject, classes=("no", "yes")))
    assert set(ASKED) == set(tasks()), "say below what the new task is asked"
    for kind, asked in ASKED.items():
        keys = [
            tasks()[kind].job(Model.original(each), asked, 0, found_in="anywhere").key
            for each in (subject, read_otherwise, *called_otherwise)
        ]
        assert keys[0] == keys[1], "how the files were read is told at delivery"
        assert len(set(keys)) == (1 if kind in NAMELESS else 3), kind


def test_the_bytes_of_a_file_depend_on_what_its_model_is_called() -> None:
    """So that results that say them are shared by none."""
    subject = load_sample("tabular")
    original, called = (Model.original(each) for each in (subject, replace(subject, name="a" * 60)))
    assert original.key == called.key
    assert called.file_bytes > original.file_bytes
    store = Store()
    first, second = (packed_size(model, store).value for model in (original, called))
    assert first is not None
    assert second is not None
    assert second > first


def test_a_model_speaks_for_its_own_files_where_another_one_is_equal() -> None:
    store, subject = Store(), small_subject()
    first, second = (
        replace(subject, remarks_on=FileRemarks(ReadingRemarks((said,)))) for said in ("First.", "Second.")
    )
    assert coarse(first, store).subject.remarks == first.remarks
    assert coarse(second, store).subject.remarks == second.remarks
    assert coarse(first, store) is coarse(first, store)


def test_the_face_reviews_by_name_by_file_and_by_value(tmp_path: Path) -> None:
    store = Store()
    model, heard = coarse(small_subject(), store), list[Progress]()
    found = compress_core.review(model, ON_CHURN, watch=heard.append, store=store)
    assert found.verdict.value == "pass"
    assert heard[-1].done < heard[-1].total
    usual = compress_core.review(model, store=store).gates
    assert usual == read_gates(ready_made_gates()["non_inferiority"])
    written = tmp_path / "gates.yaml"
    written.write_text(ready_made_gates()["non_inferiority"], encoding="utf-8")
    assert compress_core.review(model, written, store=store).gates == usual
    with pytest.raises(Refused, match="cannot be read"):
        compress_core.review(model, "nowhere.yaml", store=store)
    with pytest.raises(Refused, match="needs a compressed model"):
        compress_core.review(model.subject, store=store)  # type: ignore[arg-type]
