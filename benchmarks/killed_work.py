"""A piece of work that is killed: what lies there before it, and what of it must be there after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.killed_process import Say, Work
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.atomic_file import UNFINISHED
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.foundation.store import Store
from compress_core.foundation.workspace import database
from compress_core.foundation.workspace.checking import check
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.loading.samples import load_sample
from compress_core.recipe.reading import read_recipe

SAMPLE = "tabular"
EARLIER, LATER = (
    f"layers: [{{match: '*', steps: [{{technique: magnitude, sparsity: {sparsity}}}, "
    f"{{technique: uniform, bits: {bits}}}]}}]"
    for sparsity, bits in ((0.3, 8), (0.6, 4))
)


@dataclass(frozen=True)
class Traces:
    """A folder after a kill, what the process had said, the folder before, and that of an undisturbed run."""

    folder: Path
    said: Sequence[str]
    before: Path
    whole: Path


@dataclass(frozen=True)
class Killed:
    """do: the work, which goes on where it finds itself begun. before: makes what lies there at first.

    lost: how much of what was said is not there; damaged: how much cannot be read, or is of no whole run.
    """

    do: Work
    before: Work
    lost: Callable[[Traces], int]
    damaged: Callable[[Traces], int]


class _Made(Protocol):
    """Makes the work; small: as short as shows the same."""

    def __call__(self, *, small: bool) -> Killed: ...


@dataclass(frozen=True)
class _Titled:
    title: str
    order: int
    made: _Made


_WORKS: OneFileEach[_Titled] = OneFileEach("benchmarks.killed", lambda each: each.order)


def killed(title: str, *, order: int) -> Callable[[_Made], _Made]:
    """Declare a piece of work of its own file; the title says what the process does that is killed."""

    def declared(made: _Made) -> _Made:
        name = made.__module__.rpartition(".")[2]
        _WORKS.declare(made.__module__, name, _Titled(title, order, made))
        return made

    return declared


def works(*, small: bool) -> Mapping[str, Killed]:
    """Every piece of work by its title."""
    return {each.title: each.made(small=small) for each in _WORKS.found().values()}


def nothing(_folder: Path, _say: Say) -> str:
    """Nothing lies there before."""
    return ""


def workspace_damage(traces: Traces) -> int:
    """What the store's own check finds; a database that was not there yet is none."""
    if not (traces.folder / database.NAME).exists():
        return 0
    place = Workspace.at(traces.folder)
    found = len(check(place).problems) + (place.warning is not None)
    place.close()
    return found


def left_over(folder: Path) -> int:
    """Files that were begun and never got their name."""
    return sum(file.name.endswith(UNFINISHED) for file in files_in(folder))


def highest(said: Sequence[str]) -> int:
    """The last number that was said; 0 where nothing was."""
    return int(said[-1]) if said else 0


def whole_sample() -> Model:
    """As it was loaded."""
    return Model.original(load_sample(SAMPLE))


def small_sample(recipe: str) -> Model:
    """What a recipe makes of it."""
    return compress(load_sample(SAMPLE), read_recipe(recipe), Store())


def files_in(folder: Path) -> list[Path]:
    """All files of a folder and those below it."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def sha(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
