"""How well text can be read on a color, and which color of text can be.

W3C, Web Content Accessibility Guidelines 2.2, 1.4.3 and the definition of relative luminance.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

LEAST_OF_TEXT, LEAST_OF_SHAPES = 4.5, 3.0
BLACK, WHITE = "#000000", "#ffffff"
_STEPS = 32
_Rgb = NDArray[np.float64]


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    lighter, darker = sorted((_luminance(_solid(one)), _luminance(_solid(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def laid_over(color: str, ground: str) -> str:
    """The color that is seen where a translucent one lies over another."""
    channels, alpha = _channels(color)
    return _hexadecimal(alpha * channels + (1 - alpha) * _solid(ground))


def text_on(ground: str) -> str:
    """Black or white, whichever reads better on a color: one of them always reads well."""
    return max((BLACK, WHITE), key=lambda text: contrast(text, ground))


def legible(color: str, ground: str, toward: str) -> str:
    """A color as text: as it is where it reads well on the ground, else mixed with another until it does."""
    start, end = _solid(color), _solid(toward)
    for step in range(_STEPS + 1):
        mixed = _hexadecimal(start + (end - start) * step / _STEPS)
        if contrast(mixed, ground) >= LEAST_OF_TEXT:
            return mixed
    return toward


def _solid(color: str) -> _Rgb:
    channels, alpha = _channels(color)
    assert alpha == 1, f"{color} is translucent: lay it over its ground first"
    return channels


def _channels(color: str) -> tuple[_Rgb, float]:
    """Red, green and blue from 0 to 255, and how opaque they are."""
    if color.startswith("#"):
        return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64), 1.0
    numbers = [float(number) for number in re.findall(r"[\d.]+", color)]
    assert len(numbers) in (3, 4), f"{color} is no color that is read here"
    return np.array(numbers[:3]), numbers[3] if len(numbers) == 4 else 1.0


def _luminance(channels: _Rgb) -> float:
    share = channels / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def _hexadecimal(channels: _Rgb) -> str:
    red, green, blue = (int(value) for value in np.round(np.clip(channels, 0, 255)))
    return f"#{red:02x}{green:02x}{blue:02x}"
