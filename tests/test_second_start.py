"""A second start, a worker and a command line find what was computed before them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compress_core.apply import compress
from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.foundation.workspace import Workspace
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.evaluate import PREDICTIONS, compare, evaluate, is_predicted
from compress_core.recipe import parse_recipe
from compress_core.subject.split import Split

ROOT = Path(__file__).resolve().parent.parent
STEPS = [{"technique": "magnitude", "sparsity": 0.5}, {"technique": "uniform", "bits": 4}]
SPLIT = "validation"

COMMAND = """
import sys
from compress_core.foundation import store
from compress_core.cli import main
made = []
class Watched(store.Store):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        made.append(self)
store.Store = Watched
try:
    main()
finally:
    (one,) = made
    print(one.computed["predictions"], one.found["predictions"], file=sys.stderr)
"""


def _compared(folder: Path) -> tuple[Store, Model, Split]:
    store = Store(workspace=Workspace.at(folder))
    subject = load_sample("tabular")
    model = compress(subject, parse_recipe({"layers": [{"match": "fc*", "steps": STEPS}]}), store)
    return store, model, subject.split(SPLIT)


def test_a_second_start_answers_a_known_comparison_without_computing(tmp_path: Path) -> None:
    first, model, split = _compared(tmp_path)
    before = compare(model, split, first)
    assert first.computed[PREDICTIONS] == 2
    second, model, split = _compared(tmp_path)
    assert is_predicted(model, split, second)
    after = compare(model, split, second)
    assert (second.computed[PREDICTIONS], second.found[PREDICTIONS]) == (0, 2)
    for old, new in ((before.before, after.before), (before.after, after.after)):
        np.testing.assert_array_equal(old.logits, new.logits)
        np.testing.assert_array_equal(old.labels, new.labels)
    assert {n: v.as_json() for n, v in evaluate(model, split, second).items()} == {
        n: v.as_json() for n, v in evaluate(model, split, first).items()
    }


def test_other_items_are_computed(tmp_path: Path) -> None:
    first, model, split = _compared(tmp_path)
    compare(model, split, first)
    assert split.labels is not None
    fewer = Split(split.name, split.inputs[:20], split.labels[:20])
    second, model, _ = _compared(tmp_path)
    compare(model, fewer, second)
    assert second.computed[PREDICTIONS] == 2


def test_an_evaluation_is_noted_for_who_lists_models(tmp_path: Path) -> None:
    store, model, split = _compared(tmp_path)
    numbers = evaluate(model, split, store)
    noted = Workspace.at(tmp_path).evaluations.find(model.key, split.digest)
    assert noted is not None
    assert (noted.split, noted.n) == (SPLIT, len(split))
    assert noted.numbers["accuracy"] == numbers["accuracy"].as_json()


def _evaluated(folder: Path) -> tuple[str, list[int]]:
    """What `slimscope evaluate` prints, and how many predictions it computed and found."""
    command = [sys.executable, "-c", COMMAND, "evaluate", "tabular", "--step", "fc1: magnitude sparsity=0.5"]
    environment = {"SLIMSCOPE_WORKSPACE": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT)
    return finished.stdout, [int(count) for count in finished.stderr.split()]


@pytest.mark.slow
def test_the_command_line_finds_what_it_computed_before(tmp_path: Path) -> None:
    first, counts = _evaluated(tmp_path)
    assert counts == [2, 0]
    second, counts = _evaluated(tmp_path)
    assert counts == [0, 2]
    assert second == first
