"""What is done to a picture before a network sees it, as data: resize, crop, channels, scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import N_

READ_WITH = N_("Pictures were read with {how}.")
"""What is remarked of items that came as picture files."""
MOST_PIXELS_A_SIDE = 4096
CHANNELS = ("rgb", "bgr", "gray")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
_MOST_CHARACTERS = 500
_MOST_CHANNELS = 4
_LEAST_STD = 1e-6


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to what the network takes, in this order; what is None is left as it is.

    resize: of the shorter side, or height and width; crop: height and width around the center; channels: as
    the network takes them; mean and std: of each channel, of values from 0 to 1.
    """

    resize: tuple[int, ...] | None = None
    crop: tuple[int, int] | None = None
    interpolation: str = "bilinear"
    channels: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def as_text(self) -> str:
        """As it is typed, empty for nothing at all; `read_preprocessing` reads it."""
        said = (f"{name}={_written(value)}" for name, value in asdict(self).items() if value is not None)
        return "" if self == AS_IT_IS else " ".join(said)

    @property
    def scales(self) -> bool:
        """Whether it has a mean or a deviation."""
        return self.mean is not None or self.std is not None


AS_IT_IS = Preprocessing()
PRESETS: Mapping[str, Preprocessing] = MappingProxyType(
    {
        "imagenet": Preprocessing(
            (256,), (224, 224), channels="rgb", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        )
    }
)
"""By name: what most networks were trained with that tell the thousand classes of ImageNet apart."""


def read_preprocessing(text: str) -> Preprocessing:
    """'imagenet', or knobs as in 'resize=256 crop=224 mean=0.5 std=0.5', or both; raises Refused."""
    words = text[:_MOST_CHARACTERS].split()
    found = AS_IT_IS
    if words and words[0] in PRESETS:
        found = PRESETS[words.pop(0)]
    names = [word.partition("=")[0] for word in words]
    if len(text) > _MOST_CHARACTERS or len(set(names)) < len(names):
        raise _unreadable(text)
    changes = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name not in _READERS:
            raise _unreadable(word)
        changes[name] = _READERS[name](value, word)
    return checked_preprocessing(replace(found, **changes))


def checked_preprocessing(given: Preprocessing) -> Preprocessing:
    """The same; raises Refused where its numbers do not fit together."""
    colors = {"gray": 1, None: None}.get(given.channels, 3)
    for name, values in (("mean", given.mean), ("std", given.std)):
        counts = {1, colors} if colors is not None else set(range(1, _MOST_CHANNELS + 1))
        if values is not None and len(values) not in counts:
            raise Refused(
                "Preprocessing gives {got} numbers for {name}, but one for each of {channels} channels is "
                "needed, or one for all: correct it.",
                got=len(values),
                name=name,
                channels=colors if colors is not None else _MOST_CHANNELS,
            )
    if given.std is not None and min(given.std) < _LEAST_STD:
        raise Refused(
            "Preprocessing divides by {got:g}, which must be above 0: correct it.", got=min(given.std)
        )
    if given.mean is not None and given.std is not None and 1 not in {len(given.mean), len(given.std)}:
        _check_alike(given.mean, given.std)
    return given


def _check_alike(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if len(mean) != len(std):
        raise Refused(
            "Preprocessing gives {mean} numbers for mean and {std} for std: give as many for both.",
            mean=len(mean),
            std=len(std),
        )


def preprocessing_as_json(given: Preprocessing) -> dict[str, Any]:
    """As another process is told."""
    return asdict(given)


def preprocessing_from_json(said: Mapping[str, Any]) -> Preprocessing:
    """The reverse of `preprocessing_as_json`."""
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in said.items()}
    return Preprocessing(**values)


def _written(value: object) -> str:
    return ",".join(f"{one:g}" for one in value) if isinstance(value, tuple) else str(value)


def _unreadable(got: str) -> Refused:
    return Refused(
        "Preprocessing is written as in 'imagenet' or 'resize=256 crop=224 mean=0.5,0.5,0.5 std=0.2,0.2,0.2 "
        "channels=rgb interpolation=bilinear', each once, but got {got}: correct it.",
        got=shortened(got),
    )


def _sizes(most: int) -> Callable[[str, str], tuple[int, ...]]:
    def read(text: str, word: str) -> tuple[int, ...]:
        parts = text.replace("x", ",").split(",")
        if len(parts) > most or not all(part.isascii() and part.isdecimal() for part in parts):
            raise _unreadable(word)
        sizes = tuple(int(part) for part in parts if len(part) < 10)
        if len(sizes) < len(parts) or not all(1 <= size <= MOST_PIXELS_A_SIDE for size in sizes):
            raise Refused(
                "Preprocessing asks for {got}, but a side has 1 to {most:,} pixels: correct it.",
                got=shortened(word),
                most=MOST_PIXELS_A_SIDE,
            )
        return sizes

    return read


def _crop(text: str, word: str) -> tuple[int, int]:
    sizes = _sizes(2)(text, word)
    return (sizes[0], sizes[-1])


def _numbers(text: str, word: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise _unreadable(word) from None
    if len(found) > _MOST_CHANNELS or not all(math.isfinite(one) and abs(one) < 1e6 for one in found):
        raise _unreadable(word)
    return found


def _one_of(names: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(text: str, word: str) -> str:
        if text.lower() not in names:
            raise Refused(
                "Preprocessing says {got}, but it must be one of {names}: correct it.",
                got=shortened(word),
                names=", ".join(names),
            )
        return text.lower()

    return read


_READERS: Mapping[str, Callable[[str, str], Any]] = MappingProxyType(
    {
        "resize": _sizes(2),
        "crop": _crop,
        "interpolation": _one_of(INTERPOLATIONS),
        "channels": _one_of(CHANNELS),
        "mean": _numbers,
        "std": _numbers,
    }
)
