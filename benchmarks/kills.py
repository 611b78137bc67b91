"""What is lost when a process is killed at its work, and whether going on ends as if nothing had happened."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

from benchmarks.killed_process import Kill, Ran, run
from benchmarks.killed_work import Killed, Traces, left_over, works
from benchmarks.networks import FULL, Size

EACH = 14  # kills of each kind, half of them in the midst of a write
_HEADS = (
    "killed while it",
    "kills",
    "acknowledged",
    "lost",
    "damaged",
    "went on to another end",
    "left over",
)


@dataclass(frozen=True)
class Tally:
    """What came of kills: how many met the process at work, what it had acknowledged, and what was wrong.

    went_astray: runs that went on to another end than an undisturbed one; left_over: half-written files
    after that.
    """

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    damaged: int = 0
    went_astray: int = 0
    left_over: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def lines(size: Size) -> Iterator[str]:
    """A row for each kind of work; of a tiny size, for two that are soon done."""
    yield "| " + " | ".join(_HEADS) + " |"
    yield "| " + " | ".join(["---"] * len(_HEADS)) + " |"
    total = Tally()
    full = size == FULL
    for name, work in islice(works(small=not full).items(), None if full else 2):
        found = tally(name, work, EACH if full else 1)
        total += found
        yield _row(name, found)
    yield _row("all of it", total)


def _row(name: str, found: Tally) -> str:
    return "| " + " | ".join([name, *(f"{getattr(found, each.name):,}" for each in fields(found))]) + " |"


def tally(name: str, work: Killed, kills: int) -> Tally:
    """Kill the work so often, at moments over the whole of an undisturbed run, or in the midst of a write."""
    with tempfile.TemporaryDirectory() as place:
        before, whole = Path(place, "before"), Path(place, "whole")
        before.mkdir()
        run(work.before, before, Path(place, "notes", "before"))
        shutil.copytree(before, whole)
        undisturbed = run(work.do, whole, Path(place, "notes", "whole"))
        found = Tally()
        for number in range(kills):
            found += _killed_once(name, work, number, undisturbed, Path(place))
        return found


def _killed_once(name: str, work: Killed, number: int, undisturbed: Ran, place: Path) -> Tally:
    folder, notes = place / f"{number}", place / "notes" / f"{number}"
    ran = _killed(work, place / "before", folder, notes / "killed", _moment(name, number, undisturbed))
    traces = Traces(folder, ran.said, place / "before", place / "whole")
    lost, damaged = work.lost(traces), work.damaged(traces)
    after = run(work.do, folder, notes / "after")
    astray = int(after.outcome != undisturbed.outcome)
    left = left_over(folder)
    shutil.rmtree(folder)
    return Tally(int(ran.outcome is None), len(ran.said), lost, damaged, astray, left)


def _killed(work: Killed, before: Path, folder: Path, notes: Path, moment: Kill) -> Ran:
    """Do the work in a copy of a folder until it is killed.

    Anew and earlier where it came to its end with fewer writes than the undisturbed run: what took no time is
    not written down.
    """
    shutil.copytree(before, folder)
    ran = run(work.do, folder, notes, moment)
    if ran.outcome is None or moment.at_write is None or moment.at_write == 1:
        return ran
    shutil.rmtree(folder)
    return _killed(work, before, folder, notes / "earlier", Kill(at_write=moment.at_write // 2))


def _moment(name: str, number: int, undisturbed: Ran) -> Kill:
    """The same in every run, but for how fast the machine is."""
    share = zlib.crc32(f"{name} {number}".encode()) % 1000 / 1000
    if number % 2:
        return Kill(at_write=1 + int(share * undisturbed.writes))
    return Kill(after=share * undisturbed.seconds)
