"""A wave as pixels: which of them a line over time goes through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def columns_of(samples: int, across: int) -> NDArray[np.int64]:
    """Which samples each column of pixels begins and ends with [across, 2], both included."""
    begins = np.arange(across) * samples // across
    ends = np.minimum(samples - 1, np.maximum(begins, (np.arange(across) + 1) * samples // across))
    return np.stack([begins, ends], axis=1)


def rows_reached(values: NDArray[np.floating], across: int, down: int) -> NDArray[np.int64]:
    """From which to which row of pixels, 0 on top, a channel [samples] reaches in each column [2, across].

    Its largest absolute value reaches an edge, zero lies in the middle; a column has two rows at least.
    """
    finite = np.nan_to_num(values.astype(np.float64))
    span = float(np.abs(finite).max()) or 1.0
    parts = [finite[begin : end + 1] for begin, end in columns_of(finite.size, across)]
    low, high = (np.array([take(part) for part in parts]) for take in (np.min, np.max))
    top, bottom = ((1 - each / span) / 2 * (down - 2) for each in (high, low))
    upper = np.floor(top).astype(np.int64)
    return np.stack([upper, np.maximum(np.ceil(bottom).astype(np.int64), upper + 1)])


def wave_pixels(wave: NDArray[np.floating], across: int, down: int) -> NDArray[np.bool_]:
    """Where a wave [channels, samples] is drawn, its channels one below the other [rows, across]."""
    height = down // len(wave)
    place = np.arange(height)[:, None]
    reached = (rows_reached(values, across, height) for values in wave)
    return np.concatenate([(place >= upper) & (place <= lower) for upper, lower in reached])
