"""How much a packed file may claim: more where more bytes, or a model at hand, stand behind it."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.deliver.packing.coder import FREE

MOST_VALUES = 2**28  # 1 GiB of float32
_FEW_VALUES, _VALUES_OF_A_BYTE = 2**22, 512  # 99.9 % zeros take about a byte for 500 weights
_LITTLE_WORK, _WORK_OF_A_BYTE = 2**24, 2048  # about two seconds
_ROOM = 4  # times the values of a loaded model: two factors of a high rank hold more than their layer
_WORK_OF_A_VALUE = 16  # a position, and eight bits


@dataclass(frozen=True)
class ReadingLimits:
    """values to make, and work to decode them, in units of packing/coder.py."""

    values: int
    work: int


def limits_of_file(size: int) -> ReadingLimits:
    """For a file of so many bytes alone."""
    values = min(MOST_VALUES, _FEW_VALUES + _VALUES_OF_A_BYTE * size)
    return ReadingLimits(values, _LITTLE_WORK + _WORK_OF_A_BYTE * size)


def limits_of_model(size: int, values: int) -> ReadingLimits:
    """For a file of so many bytes beside the model of so many values that it was made of."""
    alone = limits_of_file(size)
    return ReadingLimits(_ROOM * values, alone.work + _ROOM * _WORK_OF_A_VALUE * values)


def limits_of_own(values: int) -> ReadingLimits:
    """For a file that was written just now: it takes as long to read as it took to write."""
    return ReadingLimits(_ROOM * values, FREE)
