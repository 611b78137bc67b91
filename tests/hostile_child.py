"""`python -m tests.hostile_child`: meet hostile files one after the other and tell what each one took.

A line of JSON for each: its name, what became of it, seconds of processor time, MiB above what was there.
Its own bytes count as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from compress_core.apply.lineage import read_lineage
from compress_core.foundation.errors import Refused
from compress_core.loading.allowance import ON_SERVER
from compress_core.loading.file_reader import FileReader
from compress_core.loading.items import read_items
from compress_core.loading.named import named_subject
from compress_core.loading.onnx_file.file_parts import begins_like_onnx
from compress_core.loading.onnx_model import onnx_subject
from compress_core.loading.upload import state_of
from compress_core.loading.weights_subject import known_shapes, user_subject
from compress_core.recipe.reading import read_recipe
from compress_core.techniques.contract.technique import techniques
from dashboard.links import decoded
from tests import hostile_inputs, hostile_onnx, hostile_weights
from tests.hostile_weights import CANARY

Meet = Callable[[], object]
HERE = os.getpid()


def uploaded(reader: FileReader, weights: bytes) -> Mapping[str, Tensor]:
    """What the page does with a file of weights."""
    return state_of(reader.weights(weights, "hostile.pt")).tensors


def with_items(reader: FileReader, state: Mapping[str, Tensor], items: bytes | None) -> object:
    """What the page then does with a file of items."""
    found = None if items is None else reader.items(items, "hostile.npz")
    return user_subject(state, found, name="hostile", allowed=ON_SERVER)


def uploaded_with_items(reader: FileReader, weights: bytes, items: bytes | None) -> object:
    """What the page does with both."""
    return with_items(reader, uploaded(reader, weights), items)


def followed(link: str) -> object:
    """What a page does with the link that it is opened by."""
    return read_lineage(decoded(link))


def on_the_command_line(content: bytes, folder: Path) -> object:
    """What `slimscope layers FILE` does."""
    path = folder / "hostile.pt"
    path.write_bytes(content)
    return named_subject(str(path))


def uploaded_onnx(reader: FileReader, content: bytes) -> object:
    """What the page does with an ONNX file; ONNX Runtime's part is done in a process of its own."""
    if not begins_like_onnx(content):
        return uploaded(reader, content)
    found = reader.network(content, "hostile.onnx")
    return onnx_subject(found, content, None, name="hostile", allowed=ON_SERVER)


def all_of_them(reader: FileReader, folder: Path) -> Iterator[tuple[str, int, Meet]]:
    """Every hostile file and text, by its name and with its length, through the doors that it may come in by.

    Each is made once for all its doors, before it is met: what its maker takes is not what it takes of us.
    """
    image = hostile_inputs.zipped(inputs=torch.zeros(1, 200, 200).numpy())
    for name, make in hostile_weights.weights().items():
        made, items = make(), image if "wide" in name else None
        yield f"page: {name}", len(made), partial(uploaded_with_items, reader, made, items)
        yield f"shell: {name}", len(made), partial(on_the_command_line, made, folder)
    for name, make in hostile_onnx.onnx_files().items():
        made = make()
        yield f"page: {name}", len(made), partial(uploaded_onnx, reader, made)
        yield f"shell: {name}", len(made), partial(on_the_command_line, made, folder)
    network = uploaded(reader, hostile_weights.saved({"fc1.weight": torch.zeros(3, 8)}))
    for name, make in hostile_inputs.items().items():
        made = make()
        yield f"page: {name}", len(made), partial(with_items, reader, network, made)
        yield f"shell: {name}", len(made), partial(read_items, made, "hostile.npz")
    for name, text in hostile_inputs.recipes().items():
        told = text()
        yield f"recipe: {name}", len(told), partial(read_recipe, told)
    for name, text in hostile_inputs.links().items():
        told = text()
        yield f"link: {name}", len(told), partial(followed, told)


def outcome(meet: Meet) -> str:
    """What became of it, in a word or two; a traceback by its kind."""
    try:
        meet()
    except Refused as refused:
        return "refused" if 20 < len(str(refused)) < 2000 else f"sentence of {len(str(refused))} signs"
    except BaseException as error:  # noqa: BLE001 - a traceback is what is looked for
        return f"traceback {type(error).__name__}: {str(error)[:200]}"
    return "read"


def memory(which: str) -> int:
    """MiB that this process has (VmRSS) or has had at most (VmHWM)."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) >> 10


def seconds(reader: FileReader) -> float:
    """Processor time of this process and those it started, also of those that read files and have ended."""
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    waiting = reader._spare
    assert waiting is not None
    told = Path(f"/proc/{waiting.pid}/stat").read_text().rpartition(")")[2].split()
    of_readers = sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")
    return time.process_time() + theirs.ru_utime + theirs.ru_stime + of_readers


def main() -> None:
    """Meet all of them."""
    torch.set_num_threads(1)
    techniques()
    known_shapes()
    gc.freeze()  # a collection for each file need not walk through torch
    canary, reader = Path(os.environ[CANARY]), FileReader()
    reader.prepare()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
    for name, count, meet in all_of_them(reader, canary.parent):
        gc.collect()
        trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        before, began = memory("VmRSS"), seconds(reader)
        became = outcome(meet)
        took, held = seconds(reader) - began, memory("VmHWM") - before
        told = {"name": name, "became": became, "seconds": round(took, 2), "mebibytes": held + (count >> 20)}
        told["ran"] = canary.exists()
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        with contextlib.suppress(OSError):
            canary.unlink()
    reader.close()


if __name__ == "__main__":
    main()
