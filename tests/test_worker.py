"""The worker: in its own process it does what the same call does here, and says what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_in, bundle_of, read_bundle
from compress_core.jobs.info import State
from compress_core.jobs.job import Job, canonical_json
from compress_core.jobs.local_runner import LocalRunner
from compress_core.jobs.perform import lineage_of, run_job
from compress_core.jobs.process import ROOT, environment_of
from compress_core.jobs.task import ResultFiles, tasks
from compress_core.loading.items import Items
from compress_core.loading.weights_subject import user_subject
from compress_core.recipe.reading import parse_recipe
from compress_core.tasks.explain_items import EXPLAIN, ExplainKnobs, ManyExplained, chosen_items
from tests.served import FORKS, the_nursery
from tests.subjects import loaded_sample

pytestmark = pytest.mark.slow

KNOBS = ExplainKnobs(method="saliency", items=20)
SEED = 5
PATIENCE = 120.0
STORE = Store()


def compressed(name: str = "tabular") -> Model:
    rule = {"match": "fc1", "steps": [{"technique": "magnitude", "sparsity": 0.8}]}
    return compress(loaded_sample(name), parse_recipe({"layers": [rule]}), STORE)


def job_for(model: Model, knobs: ExplainKnobs = KNOBS) -> Job:
    return EXPLAIN.job(model, knobs, SEED, found_in=model.subject.name)


def done_here(model: Model, knobs: ExplainKnobs = KNOBS) -> ManyExplained:
    return result_of(EXPLAIN.run(model, knobs, SEED, STORE))


def said_by(job: Job, folder: Path) -> list[dict[str, Any]]:
    """What the worker would say, without a process."""
    file = folder / "job.json"
    file.write_text(job.as_json())
    said: list[dict[str, Any]] = []
    run_job(file, said.append)
    return said


def assert_equal_results(first: ManyExplained, second: ManyExplained) -> None:
    """Bit for bit."""
    np.testing.assert_array_equal(first.chosen, second.chosen)
    one, two = first.explanation, second.explanation
    for name in ("before", "after", "support"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for name in ("items", "noise", "random"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name), check_exact=True)
    assert (one.method, one.seed, one.noise_deviation) == (two.method, two.seed, two.noise_deviation)
    assert (first.split, first.size_of_split) == (second.split, second.size_of_split)


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    made = LocalRunner()
    yield made
    made.close()


def test_a_process_writes_what_the_same_call_computes_here(tmp_path: Path) -> None:
    model = compressed()
    file = tmp_path / "job.json"
    file.write_text(job_for(model).as_json())
    command = [sys.executable, "-m", "compress_core.jobs", str(file)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment_of(None))
    said = [json.loads(line) for line in finished.stdout.splitlines()]
    assert said[-1] == {"done": True}
    steps = [line["progress"] for line in said[:-1]]
    assert [done for done, _total, _note in steps] == sorted(done for done, _total, _note in steps)
    assert steps[-1][:2] == [160, 160]
    assert_equal_results(EXPLAIN.result((tmp_path / "result.safetensors").read_bytes()), done_here(model))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.json", "result.safetensors"]


def test_a_result_that_the_disk_does_not_take_is_said_as_one_that_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "result.safetensors").mkdir()
    said = said_by(job_for(compressed()), tmp_path)
    assert said[-1]["failed"]["text"].startswith("The server could not write what this job needs ({reason})")


def test_a_worker_without_a_job_file_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "compress_core.jobs"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment_of(None))
    assert finished.returncode == 2
    assert finished.stderr.startswith("usage: ")


def test_an_own_model_is_explained_in_a_worker(runner: LocalRunner) -> None:
    subject = own_model()
    model = Model.original(subject)
    job = replace(job_for(model), subject=runner.put(bundle_of(subject)))
    key = runner.submit(job, "me")
    assert list(runner.as_done([key], PATIENCE)) == [key]
    found = runner.info(key)
    assert found.state is State.DONE, str(found.problem)
    left = runner.result(key)
    assert left is not None
    assert_equal_results(EXPLAIN.result(left), done_here(model))


def test_a_worker_ends_when_its_server_does(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(job_for(compressed("lenet300"), ExplainKnobs(method="occlusion", items=4096)).as_json())
    worker = subprocess.Popen(
        the_nursery().job_command() if FORKS else [sys.executable, "-m", "compress_core.jobs", "--wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment_of(None),
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert json.loads(worker.stdout.readline()) == {"ready": True}
    worker.stdin.write(f"{file}\n")
    worker.stdin.flush()
    assert "progress" in json.loads(worker.stdout.readline())
    worker.stdin.close()
    assert worker.wait(PATIENCE) == 1
    worker.stdout.close()
    assert not (tmp_path / "result.safetensors").exists()


def own_model() -> Any:
    """A small CNN with items of its own, of which the worker knows neither."""
    torch.manual_seed(0)
    state = {
        "b.weight": torch.randn(6, 1, 3, 3),
        "b.bias": torch.randn(6),
        "a.weight": torch.randn(3, 6 * 4 * 4),
        "a.bias": torch.randn(3),
    }
    images = torch.rand(30, 1, 8, 8).numpy()
    return user_subject(state, Items(images, np.arange(30) % 3), name="mine")


def test_a_put_model_is_the_same_model_with_the_same_items(tmp_path: Path) -> None:
    subject = own_model()
    for name, content in bundle_of(subject).items():
        (tmp_path / name).write_bytes(content)
    again = read_bundle(bundle_in(tmp_path))
    assert again.digest == subject.digest
    assert again.input == subject.input
    assert {n: s.digest for n, s in again.splits.items()} == {n: s.digest for n, s in subject.splits.items()}
    inputs = subject.split("validation").inputs
    torch.testing.assert_close(again.network(inputs), subject.network(inputs), rtol=0, atol=0)


def test_a_put_sample_with_other_weights_keeps_its_scale(tmp_path: Path) -> None:
    state = {n: t + 0.01 for n, t in loaded_sample("lenet300").network.state_dict().items()}
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    subject = user_subject(state, Items(images, None), name="mine")
    for name, content in bundle_of(subject).items():
        (tmp_path / name).write_bytes(content)
    again = read_bundle(bundle_in(tmp_path))
    assert (again.digest, again.input, again.classes) == (subject.digest, subject.input, subject.classes)
    assert again.split("validation").digest == subject.split("validation").digest


def test_a_lineage_survives_the_way_to_the_worker() -> None:
    model = compressed()
    assert lineage_of(job_for(model)) == model.lineage
    assert lineage_of(job_for(model))[0].recipe.sha == model.recipe.sha


def test_a_job_without_a_recipe_explains_the_original(tmp_path: Path) -> None:
    said = said_by(job_for(Model.original(loaded_sample("tabular"))), tmp_path)
    assert said[-1] == {"done": True}
    items = EXPLAIN.result((tmp_path / "result.safetensors").read_bytes()).explanation.items
    assert items["spearman"].dropna().min() == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "fly"}, "no task 'fly'"),
        ({"content": "0" * 64}, "have changed since"),
        ({"subject": "nobody"}, "no sample model 'nobody'"),
        ({"knobs": canonical_json({"method": "saliency", "items": 0})}, "does not take these values"),
        (
            {"knobs": canonical_json({"method": "saliency", "items": 2, "wings": 2})},
            "does not take these values",
        ),
        (
            {"knobs": canonical_json({"method": "grad_cam", "items": 2, "split": "validation"})},
            "GradCAM needs",
        ),
    ],
)
def test_what_cannot_be_done_is_said_with_template_and_values(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    said = said_by(replace(job_for(compressed()), **changes), tmp_path)
    refused = said[-1]["refused"]
    assert sentence in Refused(refused["text"], **refused["values"]).args[0]
    assert json.loads(json.dumps(said)) == said
    assert not (tmp_path / "result.safetensors").exists()


def test_a_sample_of_items_is_random_without_repeats_and_in_order() -> None:
    chosen = chosen_items(1000, 64, seed=1)
    assert len(set(chosen.tolist())) == 64
    assert chosen.tolist() == sorted(chosen.tolist())
    assert chosen.tolist() == chosen_items(1000, 64, seed=1).tolist()
    assert chosen.tolist() != chosen_items(1000, 64, seed=2).tolist()
    assert chosen_items(5, 64, seed=1).tolist() == list(range(5))


def test_a_packed_result_reads_back_as_it_was() -> None:
    found = done_here(compressed())
    assert_equal_results(EXPLAIN.unpack(ResultFiles.read(EXPLAIN.pack(found).as_bytes())), found)


def test_the_tasks_are_found_in_their_folder() -> None:
    assert tasks()["explain"] is EXPLAIN
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "compress_core" / "tasks").glob("*.py")]
    declared = [text for text in texts if re.search(r"^[A-Z_]+ = Task\(", text, re.MULTILINE)]
    assert len(tasks()) == len(declared) > 10
