"""The table as text: Markdown, so that it can be pasted into docs/benchmarks.md."""

from __future__ import annotations

import os
import platform

import torch

from benchmarks.clock import Held, Timed
from compress_core.measure.speed.rounds import Spread

_COLUMNS = ("interaction", "peer", "peer ms", "ours ms", "ratio", "goal", "reached")


def head() -> str:
    """The two lines over the table."""
    return _row(*_COLUMNS) + "\n" + _row(*("---" for _ in _COLUMNS))


def line_of(result: Timed | Held) -> str:
    """A line of the table."""
    return _compared(result) if isinstance(result, Timed) else _held(result)


def _compared(result: Timed) -> str:
    case, goal = result.case, result.case.goal
    reached = "" if goal is None else _verdict(result.ratio.low >= goal, result.ratio.high < goal)
    wanted = "" if goal is None else f">= {_number(goal)}x"
    ratio = f"{_spread(result.ratio)}"
    return _row(
        case.interaction,
        case.peer.name,
        _spread(result.peer_ms),
        _spread(result.ours_ms),
        ratio,
        wanted,
        reached,
    )


def _held(result: Held) -> str:
    """Megabytes stand in the column of milliseconds with their unit."""
    case, limit = result.case, result.case.limit
    reached = "" if limit is None else _verdict(result.measured.high <= limit, result.measured.low > limit)
    wanted = "" if limit is None else f"<= {limit:g} {case.unit}"
    unit = "" if case.unit == "ms" else f" {case.unit}"
    return _row(case.interaction, "", "", _spread(result.measured) + unit, "", wanted, reached)


def machine() -> str:
    """What it was measured on."""
    cores = os.cpu_count() or 1
    return f"Python {platform.python_version()}, torch {torch.__version__}, {cores} cores, one thread used."


def warning() -> str:
    """The load; a busy machine slows both sides, ratios hold better than milliseconds."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= cores / 2:
        return f"Load average {load:.1f}."
    return (
        f"WARNING: load average {load:.1f} on {cores} cores: the machine is busy. "
        "Milliseconds are too high; ratios are less certain."
    )


def _verdict(surely: bool, surely_not: bool) -> str:
    """Where the goal lies inside the interval, these rounds did not decide it."""
    return "yes" if surely else "NO" if surely_not else "undecided"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _spread(value: Spread) -> str:
    if value.low == value.high:
        return _number(value.middle)
    return f"{_number(value.middle)} ({_number(value.low)} to {_number(value.high)})"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}" if value < 1 else f"{value:.2f}"
