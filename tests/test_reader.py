"""What visitors upload is read in a process of its own: the same arrays, the same sentences, and limits."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.file_reader import COMMAND, FileReader
from compress_core.loading.items import read_items
from compress_core.loading.reading_child import FORKS
from compress_core.loading.upload import read_state, state_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reader() -> Iterator[FileReader]:
    made = FileReader()
    made.prepare()
    yield made
    made.close()


def saved(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def zipped(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def test_weights_are_those_that_are_read_here_in_the_order_of_the_file(reader: FileReader) -> None:
    state = {
        "module.z.weight": torch.randn(3, 4).bfloat16(),
        "module.a.weight": torch.randn(4).double(),
        "module.a.running_mean": torch.randn(5, 2).t(),
        "module.a.num_batches_tracked": torch.tensor(7),
        "module.m.mask": torch.tensor([True, False]),
        "module.m.half": torch.randn(2).half(),
    }
    content = saved(state)
    there, read = state_of(reader.weights(content, "m.pt")), read_state(content, "m.pt")
    found, here = there.tensors, read.tensors
    assert there.remarks == read.remarks
    assert list(found) == list(here) == [name.removeprefix("module.") for name in state]
    for name, tensor in here.items():
        assert found[name].dtype is tensor.dtype
        assert torch.equal(found[name], tensor)
        assert found[name].is_contiguous()


@pytest.mark.parametrize("labeled", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_items_are_those_that_are_read_here(reader: FileReader, labeled: bool, kind: type) -> None:
    arrays = {"inputs": np.arange(24).reshape(4, 6).astype(kind)}
    content = zipped(**arrays, **({"labels": np.arange(4)} if labeled else {}))
    found, here = reader.items(content, "d.npz"), read_items(content, "d.npz")
    assert found.inputs.dtype == here.inputs.dtype
    assert np.array_equal(found.inputs, here.inputs)
    assert (found.labels is None) is (here.labels is None)
    assert here.labels is None or np.array_equal(np.asarray(found.labels), here.labels)


@pytest.mark.parametrize(
    "content", [b"no model", saved([1]), saved({"a.weight": torch.zeros(1).expand(10**8)})]
)
def test_a_refusal_is_the_same_sentence_with_its_template(reader: FileReader, content: bytes) -> None:
    with pytest.raises(Refused) as here:
        read_state(content, "odd{name}.pt")
    with pytest.raises(Refused) as there:
        reader.weights(content, "odd{name}.pt")
    assert (str(there.value), there.value.text) == (str(here.value), here.value.text)


def test_the_entry_of_a_checkpoint_that_is_asked_for_is_taken_there_too(reader: FileReader) -> None:
    state, average = {"a.weight": torch.zeros(2)}, {"a.weight": torch.ones(2)}
    content = saved({"model": state, "ema": average, "args": argparse.Namespace(lr=0.1)})
    found = reader.weights(content, "m.ckpt", "ema")
    assert found.arrays["a.weight"].tolist() == [1, 1]
    assert found.remarks == read_state(content, "m.ckpt", entry="ema").remarks
    assert isinstance(found.remarks.summary[0], Phrase)


def test_items_that_do_not_fit_are_refused_there_too(reader: FileReader) -> None:
    with pytest.raises(Refused, match="must hold 'inputs' or 'images'"):
        reader.items(zipped(labels=np.zeros(3)), "d.npz")


def limited(memory: int, seconds: int, does: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"from compress_core.loading.reading_child import set_limits; set_limits({memory}, {seconds}); {does}"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_memory_beyond_the_limit_is_not_given() -> None:
    assert "MemoryError" in limited(50 * 2**20, 9, "bytearray(100 * 2**20)").stderr
    assert limited(150 * 2**20, 9, "bytearray(100 * 2**20)").returncode == 0


def test_processor_time_beyond_the_limit_ends_it() -> None:
    assert limited(2**30, 0, "while True: pass".replace("while", "\nwhile")).returncode < 0


@pytest.mark.parametrize("does", ["import os; os.kill(os.getpid(), 9)", "raise MemoryError", "pass"])
def test_a_process_that_ends_without_an_answer_is_a_sentence_and_the_next_file_is_read(does: str) -> None:
    reader = FileReader((sys.executable, "-c", does))
    with pytest.raises(Refused, match="'x' takes more than 5 seconds of processor time or 400 MiB of memory"):
        reader.weights(b"", "x")
    reader.close()
    reader._command = COMMAND
    assert reader.weights(saved({"a.weight": torch.zeros(1)}), "x").arrays
    reader.close()


SPINS = """
import compress_core.loading.reading_child as child
child.MOST_SECONDS = 0
read = child.weights_in_turn

def spin(declared):
    while "spin" in declared.tensors:
        pass
    return read(declared)

child.weights_in_turn = spin
child.read_files()
"""
LISTENS = """
import sys, compress_core.loading.reading_child as child
child.weights_in_turn = lambda declared: [("", child.np.array(len(sys.stdin.read())))]
child.read_files()
"""


FAULTS = """
import compress_core.loading.reading_child as child

def fault(declared):
    raise {error}

child.weights_in_turn = fault
child.read_files()
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "ImportError('no module half_installed')",
            r"error of the program \(ImportError: no module half_inst",
        ),
        ("OSError(12, 'Cannot allocate memory')", "takes more than 5 seconds of processor time or 400 MiB"),
    ],
    ids=["a fault", "memory"],
)
def test_a_fault_of_the_program_is_not_told_as_a_file_that_takes_too_much(error: str, said: str) -> None:
    reader = FileReader((sys.executable, "-c", FAULTS.format(error=error)))
    with pytest.raises(Refused, match=said):
        reader.weights(saved({"a.weight": torch.zeros(1)}), "x")
    reader.close()


@pytest.mark.skipif(not FORKS, reason="each file has a process that began for it")
def test_what_waits_forks_for_each_file_and_outlives_the_one_that_takes_too_long() -> None:
    reader = FileReader((sys.executable, "-c", SPINS))
    assert reader.weights(saved({"a.weight": torch.zeros(1)}), "x").arrays
    waiting = reader._spare
    with pytest.raises(Refused, match="'x' takes more than"):
        reader.weights(saved({"spin": torch.zeros(1)}), "x")
    assert reader.weights(saved({"a.weight": torch.zeros(1)}), "x").arrays
    assert reader._spare is waiting is not None
    os.kill(waiting.pid, 9)
    waiting.wait()
    assert reader.weights(saved({"a.weight": torch.zeros(1)}), "x").arrays
    assert reader._spare is not waiting
    reader.close()


@pytest.mark.skipif(not FORKS, reason="each file has a process that began for it")
def test_what_reads_a_file_cannot_hear_what_is_asked_next() -> None:
    reader = FileReader((sys.executable, "-c", LISTENS))
    assert reader.weights(saved({"a.weight": torch.zeros(1)}), "x").arrays["a.weight"] == 0
    reader.close()


def living(group: int) -> list[str]:
    """What runs in a group of processes, by its state, from what Linux tells of each."""
    states = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, of_group, *_ = path.read_text().rpartition(")")[2].split()
            states += [state] if int(of_group) == group and state != "Z" else []
    return states


@pytest.mark.skipif(not FORKS, reason="each file has a process that began for it")
def test_who_waits_for_a_file_too_long_ends_the_fork_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress_core.loading.file_reader._PATIENCE_SECONDS", 2.0)
    reader = FileReader((sys.executable, "-c", SPINS.replace("SECONDS = 0", "SECONDS = 60")))
    reader.prepare()
    waiting = reader._spare
    assert waiting is not None
    with pytest.raises(Refused, match="'x' takes more than"):
        reader.weights(saved({"spin": torch.zeros(1)}), "x")
    ends_before = time.monotonic() + 20  # a process that was killed runs on until the system gets to it
    while living(waiting.pid) and time.monotonic() < ends_before:
        time.sleep(0.01)
    assert living(waiting.pid) == []
    reader.close()


def test_a_process_that_cannot_be_started_is_a_sentence() -> None:
    with pytest.raises(Refused, match=r"The server could not read the file \(No such file"):
        FileReader(("no such program",)).weights(b"", "x")


def test_nothing_is_left_behind(reader: FileReader, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = FileReader()
    own.prepare()
    waiting = own._spare
    assert waiting is not None
    own.weights(saved({"a.weight": torch.zeros(1)}), "x")
    own.close()
    assert list(tmp_path.iterdir()) == []
    assert waiting.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(waiting.pid, 0)


def test_a_process_that_waits_for_a_file_has_imported_neither_torch_nor_what_folders_need() -> None:
    code = "import sys, compress_core.loading.reading_child as child; child._import_what_reads()"
    code += "; sys.exit(any(name in sys.modules for name in ('torch', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
