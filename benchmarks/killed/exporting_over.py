"""The packed file, and the network in other formats, in place of what an earlier model left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import EARLIER, LATER, Killed, Traces, files_in, killed, sha, small_sample
from compress_core.face.write_files import export, pack
from compress_core.foundation.atomic_file import UNFINISHED
from compress_core.foundation.store import Store


@killed("packs and exports over earlier files", order=4)
def exporting_over(*, small: bool) -> Killed:
    """Each format says its name when its files are there."""
    write = partial(_export, formats=("source",) if small else ("source", "onnx"))
    return Killed(partial(write, recipe=LATER), partial(write, recipe=EARLIER), _lost, _damaged)


def _export(folder: Path, say: Say, *, recipe: str, formats: Sequence[str]) -> str:
    model = small_sample(recipe)
    pack(model, folder / "packed" / "model.slim")
    say("packed")
    for name in formats:
        export(model, folder / name, name, store=Store())
        say(name)
    return json.dumps({str(file.relative_to(folder)): sha(file) for file in files_in(folder)})


def _lost(traces: Traces) -> int:
    return sum(_shas(traces.folder / name) != _shas(traces.whole / name) for name in traces.said)


def _damaged(traces: Traces) -> int:
    """Files of a folder are all of before, or all of an undisturbed run; one may be missing in between."""
    names = [folder.name for folder in traces.folder.iterdir()]
    wholes = ([_shas(there / name).items() for there in (traces.before, traces.whole)] for name in names)
    found = [_shas(traces.folder / name).items() for name in names]
    return sum(all(not each <= whole for whole in of) for each, of in zip(found, wholes, strict=True))


def _shas(folder: Path) -> Mapping[str, str]:
    return {file.name: sha(file) for file in files_in(folder) if not file.name.endswith(UNFINISHED)}
