"""Small pictures for galleries, as PNG: items, and maps of what a model looked at."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import unlabel_rgb

from dashboard.figures import palette

SIDE = 112


def item_image(
    pixels: NDArray[Any], *, side: int = SIDE, low: float | None = None, high: float | None = None
) -> bytes:
    """An item as a PNG, each pixel a square with sharp edges.

    pixels as as_picture takes them; low and high are shown black and white, the item's own extremes
    unless given. side: pixels of the longer edge, at least.
    """
    return _png(_gray_levels(as_picture(pixels), low, high), side)


def as_picture(pixels: NDArray[Any]) -> NDArray[Any]:
    """An item as [h, w] gray or [h, w, 3] color, from that or from channels first, [1 or 3, h, w]."""
    if pixels.ndim == 3 and pixels.shape[0] == 3 and pixels.shape[2] != 3:
        return np.moveaxis(pixels, 0, 2)
    flat = pixels[0] if pixels.ndim == 3 and pixels.shape[0] == 1 else pixels
    assert flat.ndim == 2 or (flat.ndim == 3 and flat.shape[2] == 3), "an item is gray or has three colors"
    return flat


def as_map(values: NDArray[Any]) -> NDArray[np.float32]:
    """A map as [h, w], from that or from [channels, h, w], whose channels are added up."""
    assert values.ndim in (2, 3), "a map of an image is [h, w] or [channels, h, w]"
    return (values.sum(axis=0) if values.ndim == 3 else values).astype(np.float32)


def map_image(values: NDArray[Any], limit: float, *, side: int = SIDE, dark: bool = False) -> bytes:
    """A signed map as a PNG on the diverging scale, zero in its middle.

    values [h, w] or [channels, h, w]; limit: the absolute value that gets
    the strongest color, the same for what is compared.
    """
    table = _diverging_table(dark=dark)
    place = np.clip(np.nan_to_num(as_map(values)) / (limit or 1.0), -1, 1)
    return _png(table[np.round((place + 1) / 2 * (len(table) - 1)).astype(np.int64)], side)


def _gray_levels(pixels: NDArray[Any], low: float | None, high: float | None) -> NDArray[np.uint8]:
    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    bottom = low if low is not None else float(finite.min(initial=np.inf)) if finite.size else 0.0
    top = high if high is not None else float(finite.max(initial=-np.inf)) if finite.size else 1.0
    span = top - bottom if top > bottom else 1.0
    scaled = np.clip((np.nan_to_num(values, nan=bottom) - bottom) / span, 0, 1)
    return np.round(255 * scaled).astype(np.uint8)


def _diverging_table(steps: int = 255, *, dark: bool) -> NDArray[np.uint8]:
    """The diverging scale as [steps, 3]; an odd number, so that zero has the middle color."""
    colors = palette.colors_at(palette.diverging(dark=dark), np.linspace(0, 1, steps))
    return np.round([unlabel_rgb(color) for color in colors]).astype(np.uint8)


def _png(pixels: NDArray[np.uint8], side: int) -> bytes:
    times = max(1, -(-side // max(pixels.shape[:2])))
    enlarged = pixels.repeat(times, axis=0).repeat(times, axis=1)
    stream = BytesIO()
    Image.fromarray(enlarged).save(stream, "PNG", optimize=True)
    return stream.getvalue()
