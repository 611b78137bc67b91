"""An axis in powers of ten that says round numbers and nothing between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compress_core.numerics.arrays import Floats


def log_axis(update: Callable[..., object], values: Floats) -> None:
    """Make an axis logarithmic over values above zero; NaN for none.

    update: of the figure, such as `update_xaxes`.
    """
    places = steps_of_ten(float(np.nanmin(values)), float(np.nanmax(values)))
    update(type="log", tickvals=places, ticktext=[f"{place:,g}" for place in places.tolist()])


def steps_of_ten(low: float, high: float) -> Floats:
    """1, 2 and 5 times the powers of ten between two values; the powers alone where they lie far apart."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = [1.0] if high > 1e4 * low else [1.0, 2.0, 5.0]
    places = np.sort(np.outer(powers, steps).ravel())
    return places[(places >= low / 2) & (places <= 2 * high)]
