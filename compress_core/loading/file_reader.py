"""Files of anybody, each read in a process of its own with limits: what it takes is given back when it ends.

The processes are forks of one that has imported what reads them (compress_core/loading/reading_child.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from compress_core.foundation.errors import Refused
from compress_core.foundation.refusal_json import refusal_from_json
from compress_core.loading.file_format import NO_KNOBS, ItemKnobs
from compress_core.loading.huggingface.sent_folder import SentFolder, folder_from
from compress_core.loading.items import Items
from compress_core.loading.onnx_file.graph_inputs import ItemShapes
from compress_core.loading.onnx_file.understanding import Description, description_from
from compress_core.loading.preprocessing import preprocessing_as_json
from compress_core.loading.reading_child import (
    ABOUT,
    FOLDER,
    FORKS,
    INPUTS,
    ITEMS,
    LABELS,
    MOST_MEMORY,
    MOST_SECONDS,
    NETWORK,
    WEIGHTS,
)
from compress_core.loading.stored import shown
from compress_core.loading.weights_file import FileWeights
from compress_core.network.input_field import InputField
from compress_core.subject.reading_remarks import ReadingRemarks

COMMAND = (sys.executable, "-P", "-m", "compress_core.loading.reading_child")
MOST_AT_ONCE = 2
_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 60.0
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
_FEW_ADDRESSES = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # the others take them beforehand


class FileReader:
    """Reads each file in a process with limits; another waits warm for the next file. Needs no torch."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._spare: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def prepare(self) -> None:
        """Start the process that is asked for the next file, if none waits."""
        with self._lock, suppress(OSError):
            if self._spare is None:
                self._spare = self._started()

    def weights(self, content: bytes, name: str, entry: str | None = None) -> FileWeights:
        """The weights in a file, as `read_weights` reads them.

        Raises Refused where it does, or where that takes too much time or memory.
        """
        return FileWeights(*self._read(content, {"kind": WEIGHTS, "name": name, "entry": entry}))

    def items(self, content: bytes, name: str, knobs: ItemKnobs = NO_KNOBS) -> Items:
        """The items in a file, as `read_items` reads them; raises Refused where it does, and as above."""
        told = {
            "kind": ITEMS,
            "name": name,
            "preprocessing": preprocessing_as_json(knobs.preprocessing),
            "label_column": knobs.label_column,
        }
        found, remarks = self._read(content, told)
        inputs: Any = found[INPUTS]
        labels: Any = found.get(LABELS)
        about = json.loads(found[ABOUT].tobytes())
        fields = (InputField(**{**one, "shape": tuple(one["shape"])}) for one in about["fields"])
        classes, features = tuple(about["classes"]), tuple(about["features"])
        return Items(inputs, labels, tuple(fields), classes, features, about["pictures"], remarks)

    def network(self, content: bytes, name: str, shapes: ItemShapes = None) -> Description:
        """The network in an ONNX file, as `read_network` reads it; raises Refused as above."""
        found, _ = self._read(content, {"kind": NETWORK, "name": name, "shapes": shapes})
        return description_from(found)

    def folder(self, content: bytes, name: str, texts: tuple[bytes, str] | None = None) -> SentFolder:
        """The folder in a ZIP with the texts of a file, as `folder_arrays` reads them; raises Refused.

        texts: the bytes and the name of that file.
        """
        beside, called = (None, "") if texts is None else texts
        found, _ = self._read(content, {"kind": FOLDER, "name": name, "texts": called}, beside)
        return folder_from(found, PurePath(name).stem)

    def close(self) -> None:
        """End the process that waits."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            _end(spare)

    def _read(
        self, content: bytes, asked: Mapping[str, object], beside: bytes | None = None
    ) -> tuple[dict[str, npt.NDArray[Any]], ReadingRemarks]:
        try:
            with self._places, tempfile.TemporaryDirectory(prefix="slimscope-") as folder:
                file, out = Path(folder) / "file", Path(folder) / "arrays"
                file.write_bytes(content)
                other = Path(folder) / "beside"
                if beside is not None:
                    other.write_bytes(beside)
                places = {"file": str(file), "out": str(out), "beside": beside and str(other)}
                question = json.dumps({**asked, **places})
                names, remarks = _said(self._asked(question), str(asked["name"]))
                with out.open("rb") as stream:
                    return {each: np.load(stream, allow_pickle=False) for each in names}, remarks
        except OSError as error:
            raise Refused(
                "The server could not read the file ({reason}): free some space on its disk, then upload the "
                "file again.",
                reason=error.strerror or str(error),
            ) from error
        finally:
            self.prepare()

    def _asked(self, question: str) -> bytes:
        """What a process answers; nothing where the reading took too much, or it was ended."""
        with self._lock:
            process, self._spare = self._spare, None
        if process is None or process.poll() is not None:
            process = self._started()
        answer = b""
        try:
            answer = _answer(process, question)
        finally:
            self._wait_again(process, lives=FORKS and bool(answer))
        return answer.strip()

    def _wait_again(self, process: subprocess.Popen[bytes], *, lives: bool) -> None:
        """Keep the process for the next file; end it where it has ended, or where another waits."""
        with self._lock:
            if lives and self._spare is None:
                self._spare = process
                return
        _end(process)

    def _started(self) -> subprocess.Popen[bytes]:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(  # noqa: S603 - our own program, with no text of a user
            list(self._command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **_ONE_THREAD, **_FEW_ADDRESSES},
            start_new_session=True,  # Ctrl-C in the server's terminal is the server's to handle
        )


def _said(answer: bytes, file: str) -> tuple[list[str], ReadingRemarks]:
    """The names of the arrays that were written, and the remarks; raises Refused where there are none."""
    said: dict[str, Any] = json.loads(answer) if answer else {"too_much": True}
    if "refused" in said:
        raise refusal_from_json(said["refused"])
    if "fault" in said:
        raise Refused(
            "Reading the file '{file}' met an error of the program ({reason}): upload it in another format, "
            "and report this.",
            file=shown(file),
            reason=shown(said["fault"]),
        )
    if "too_much" in said:
        raise Refused(
            "Reading the file '{file}' takes more than {seconds} seconds of processor time or {memory} MiB "
            "of memory, the most that one file may take here, or was ended from outside. Upload a smaller "
            "one, or the same again.",
            file=shown(file),
            seconds=MOST_SECONDS,
            memory=MOST_MEMORY >> 20,
        )
    return said["names"], ReadingRemarks.from_json(said["remarks"])


def _answer(process: subprocess.Popen[bytes], question: str) -> bytes:
    """The line that a process answers; nothing where it ended without one, or took too long."""
    assert process.stdin is not None
    assert process.stdout is not None
    patience = threading.Timer(_PATIENCE_SECONDS, _kill, [process])
    patience.start()
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(question.encode() + b"\n")
            process.stdin.flush()
        answer = process.stdout.readline()
    finally:
        patience.cancel()
    return answer if answer.endswith(b"\n") else b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that has not ended, and the fork that reads for it."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if FORKS:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it has not ended, and free what the system keeps of it."""
    _kill(process)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()
