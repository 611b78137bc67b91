"""`python -m compress_core.loading.reading_child` reads files of anybody, each in a process with limits.

It waits for a line of JSON on its stdin: what is read, where it lies, what it is called and where the arrays
go. It answers with a line of JSON, an empty one where the reading took too much. It reads nothing itself: a
fork of it does, so that no file waits for imports, and none finds what another left. Elsewhere than on Linux
it reads one file and ends. Needs no torch, so that it starts quickly and stays small.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from compress_core.foundation.errors import Refused
from compress_core.foundation.refusal_json import refusal_as_json
from compress_core.loading.file_format import ItemKnobs, item_formats, weight_formats
from compress_core.loading.items import read_items
from compress_core.loading.onnx_file.understanding import description_arrays, known_operators, read_network
from compress_core.loading.preprocessing import preprocessing_from_json
from compress_core.loading.stored import AskedWeights
from compress_core.loading.weights_file import SERVER_CAPS, declared_weights, weights_in_turn
from compress_core.subject.reading_remarks import ReadingRemarks

WEIGHTS, ITEMS, NETWORK, FOLDER = "weights", "items", "network", "folder"
INPUTS, LABELS, ABOUT = "inputs", "labels", "about"
MOST_MEMORY = 400 * 2**20
MOST_SECONDS = 5
FORKS = sys.platform == "linux"
_MOST_WRITTEN = 2**30
_HEAD, _MOST_TOLD = 4096, 300
_FOLDERS = "compress_core.loading.huggingface.sent_folder"  # with pydantic, half of what a reader imports
_READERS = ("numpy_file", "safetensors_file", "torch_file")


def read_files() -> None:
    """Read what is asked for, one file after the other, until nothing is."""
    _import_what_reads()
    gc.freeze()  # a fork that looks for garbage need not walk through what is imported
    for line in iter(sys.stdin.readline, ""):
        if not FORKS:
            _read_and_end(line)
        sys.stdout.buffer.write(_answer_of_a_fork(line) or b"\n")
        sys.stdout.buffer.flush()


def _answer_of_a_fork(line: str) -> bytes:
    """What a fork of this process answers; nothing where it was ended."""
    answers, answering = os.pipe()
    reader = os.fork()
    if reader == 0:
        try:
            _let_go_of_what_others_ask(answering)
            _read_and_end(line)
        finally:
            os._exit(1)  # whatever was raised, the questions are not the fork's to answer
    os.close(answering)
    with os.fdopen(answers, "rb") as stream:
        answer = stream.read()
    return answer if os.waitpid(reader, 0)[1] == 0 else b""


def _let_go_of_what_others_ask(answering: int) -> None:
    """A fork cannot read the next question, and its answer goes to who forked it."""
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    os.dup2(answering, sys.stdout.fileno())
    os.close(answering)


def _read_and_end(line: str) -> None:
    """Read the file that is asked for, answer, and end this process."""
    asked: dict[str, Any] = json.loads(line)
    try:
        _import_what_needs_much(asked["kind"], Path(asked["file"]))
        set_limits(MOST_MEMORY, MOST_SECONDS)
        said = _answer(asked)
    except Exception as error:  # noqa: BLE001 - nobody reads what this process prints: it is told to who asked
        said = _told(error)
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the arrays are on the disk: taking numpy apart would only keep the visitor waiting


def _import_what_reads() -> None:
    """All formats, and what they import when they are asked to read."""
    weight_formats()
    item_formats()
    known_operators()
    for name in _READERS:
        importlib.import_module(f"compress_core.loading.{name}")


def _import_what_needs_much(kind: str, file: Path) -> None:
    """What a folder, or the format of a file, needs beside; a format is told from its first bytes."""
    if kind == FOLDER:
        importlib.import_module(_FOLDERS)
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    for format_ in item_formats().values():
        if format_.needs and format_.recognizes(head):
            for name in format_.needs:
                importlib.import_module(name)


def _knobs(asked: dict[str, Any]) -> ItemKnobs:
    return ItemKnobs(preprocessing_from_json(asked["preprocessing"]), asked["label_column"])


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    content = Path(asked["file"]).read_bytes()
    try:
        with Path(asked["out"]).open("wb") as out:
            names, remarks = _WRITERS[asked["kind"]](content, asked, out)
            return {"names": names, "remarks": remarks.as_json()}
    except Refused as refused:
        return {"refused": refusal_as_json(refused)}


def _told(error: Exception) -> dict[str, Any]:
    """What is answered where the reading ended in an error."""
    if isinstance(error, MemoryError | RecursionError) or getattr(error, "errno", None) == errno.ENOMEM:
        return {"too_much": True}
    return {"fault": f"{type(error).__name__}: {error}"[:_MOST_TOLD]}


def _write_weights(content: bytes, asked: dict[str, Any], out: IO[bytes]) -> tuple[list[str], ReadingRemarks]:
    declared = declared_weights(content, AskedWeights(asked["name"], SERVER_CAPS, asked["entry"]))
    for _, values in weights_in_turn(declared):
        np.save(out, values, allow_pickle=False)
    return list(declared.tensors), declared.remarks


def _write_items(content: bytes, asked: dict[str, Any], out: IO[bytes]) -> tuple[list[str], ReadingRemarks]:
    items = read_items(content, asked["name"], knobs=_knobs(asked))
    about = json.dumps(
        {
            "fields": [asdict(field) for field in items.fields],
            "classes": items.classes,
            "features": items.features,
            "pictures": items.pictures,
        }
    ).encode()
    found = {INPUTS: items.inputs, LABELS: items.labels, ABOUT: np.frombuffer(about, dtype=np.uint8)}
    written = {name: values for name, values in found.items() if values is not None}
    for values in written.values():
        np.save(out, values, allow_pickle=False)
    return list(written), items.remarks


def _write_network(content: bytes, asked: dict[str, Any], out: IO[bytes]) -> tuple[list[str], ReadingRemarks]:
    arrays = description_arrays(read_network(content, SERVER_CAPS, asked["shapes"]))
    for values in arrays.values():
        np.save(out, values, allow_pickle=False)
    return list(arrays), ReadingRemarks()


def _write_folder(content: bytes, asked: dict[str, Any], out: IO[bytes]) -> tuple[list[str], ReadingRemarks]:
    from compress_core.loading.huggingface.sent_folder import folder_arrays

    texts = None if asked["beside"] is None else (Path(asked["beside"]).read_bytes(), asked["texts"])
    names = []
    for name, values in folder_arrays(content, asked["name"], texts, SERVER_CAPS):
        np.save(out, values, allow_pickle=False)
        names.append(name)
    return names, ReadingRemarks()


_WRITERS = {WEIGHTS: _write_weights, ITEMS: _write_items, NETWORK: _write_network, FOLDER: _write_folder}


def set_limits(memory: int, seconds: int) -> None:
    """Let this process take so many bytes of memory and seconds of processor time more, where there is POSIX.

    Elsewhere the caps of the formats alone hold.
    """
    if os.name != "posix":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_AS: _address_space() + memory,
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + 1 + seconds,
        resource.RLIMIT_FSIZE: _MOST_WRITTEN,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


def _address_space() -> int:
    """How many bytes of addresses this process has taken; what a small program takes where nobody tells."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if told.exists() else 2**30


if __name__ == "__main__":
    read_files()
