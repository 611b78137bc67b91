"""A strip of sample digits, drawn in one color on no background, so that it suits light and dark."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compress_core.loading.cards import card_of, sample_folder
from dashboard.start.opening import DEMO_MODEL

ROWS = 3
GAP = 4
SCALE = 2
LIGHT_INK, DARK_INK = (15, 101, 146), (124, 196, 242)  # the link colors of the theme


@lru_cache(maxsize=2)
def strip_png(*, dark: bool) -> bytes:
    """The strip as a PNG, encoded once for all visitors."""
    out = BytesIO()
    Image.fromarray(strip(dark=dark)).save(out, "PNG")
    return out.getvalue()


def strip(*, dark: bool) -> NDArray[np.uint8]:
    """A few images of each digit, one column for each, as colors with opacity [height, width, 4]."""
    images, labels = _calibration_items()
    digits = np.stack([images[labels == digit][:ROWS] for digit in range(10)], axis=1)
    padded = np.pad(digits, ((0, 0), (0, 0), (GAP, GAP), (GAP, GAP)))
    rows, columns, height, width = padded.shape
    opacity = padded.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    opacity = opacity.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    picture = np.empty((*opacity.shape, 4), dtype=np.uint8)
    picture[..., :3] = DARK_INK if dark else LIGHT_INK
    picture[..., 3] = opacity
    return picture


def _calibration_items() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The smallest split of the demo's data: images [N, 28, 28] and labels [N]."""
    with np.load(sample_folder() / DEMO_MODEL / card_of(DEMO_MODEL).data, allow_pickle=False) as arrays:
        return arrays["calibration_inputs"], arrays["calibration_labels"]
