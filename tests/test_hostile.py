"""Nothing in a file of anybody runs, no file costs more than a sentence, five seconds or 500 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from compress_core.foundation.errors import Refused
from compress_core.loading.items import read_items
from compress_core.loading.weights_file import read_weights
from tests import hostile_inputs, hostile_weights
from tests.hostile_weights import CANARY

ROOT = Path(__file__).parent.parent
MOST_SECONDS, MOST_MEBIBYTES = 5, 500
READ_RIGHTLY = {
    "network",
    "labels beyond",
    "inputs of another",
    "comments",
    "no steps",
    "member outside",
    "zip in a zip",
    "beside",
    "onnx heavy thousands",
}
QUICK = (
    hostile_weights.running,
    hostile_weights.checkpoints,
    hostile_weights.untrue,
    hostile_weights.archives,
)


def assert_refused(made: Mapping[str, Callable[[], object]], meet: Callable[..., object]) -> None:
    """Each one is a sentence, but for those that are what they say."""
    for name, make in made.items():
        if any(name.startswith(start) for start in READ_RIGHTLY):
            continue
        content = make()
        with pytest.raises(Refused) as refused:
            meet(content)
        assert 20 < len(str(refused.value)) < 2000, name


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that would be there if anything had run."""
    path = tmp_path / "canary"
    monkeypatch.setenv(CANARY, str(path))
    return path


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.__name__)
def test_no_hostile_weights_are_more_than_a_sentence(kind: Callable[..., object], canary: Path) -> None:
    assert_refused(dict(kind()), lambda content: read_weights(content, "hostile.pt"))  # type: ignore[call-overload]
    assert not canary.exists()


@pytest.mark.slow
def test_no_hostile_header_of_items_is_more_than_a_sentence(canary: Path) -> None:
    headers = {name: make for name, make in hostile_inputs.items().items() if name.startswith("npy ")}
    assert len(headers) > 25
    assert_refused(headers, lambda content: read_items(content, "hostile.npy"))
    assert not canary.exists()


@pytest.mark.slow
def test_no_hostile_file_runs_or_takes_more_than_five_seconds_and_500_megabytes(canary: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile_child"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({each["name"].partition(": ")[2] for each in told}) > 200
    assert [each for each in told if each["ran"] or each["became"] not in {"refused", "read"}] == []
    assert [each for each in told if each["seconds"] > MOST_SECONDS] == []
    assert [each for each in told if each["mebibytes"] > MOST_MEBIBYTES] == []
    read = {each["name"].partition(": ")[2] for each in told if each["became"] == "read"}
    assert [name for name in read if not any(name.startswith(start) for start in READ_RIGHTLY)] == []
