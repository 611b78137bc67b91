"""The kinds of array that measurements and figures are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]
