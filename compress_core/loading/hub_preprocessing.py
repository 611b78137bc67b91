"""Preprocessing as a model's own config has it: that of a Hugging Face folder, of timm, of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.loading.preprocessing import MOST_PIXELS_A_SIDE, Preprocessing, checked_preprocessing
from compress_core.loading.stored import shown

_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_CROPPED_BELOW = 384  # ConvNeXt resizes larger sizes without a crop
_MOST_CHANNELS = 4


def preprocessing_of_hub(config: Mapping[str, Any]) -> Preprocessing:
    """What a preprocessor_config.json says; raises Refused for what no picture can be made by."""
    size, crop = _size(config.get("size")), _size(config.get("crop_size"))
    resize = size if config.get("do_resize", True) else None
    share = config.get("crop_pct")
    if resize is not None and len(resize) == 1 and isinstance(share, float) and 0.1 < share <= 1:
        side = resize[0]
        crop = (side, side)
        resize = (int(side / share),) if side < _CROPPED_BELOW else (side, side)
    elif not config.get("do_center_crop", "crop_size" in config):
        crop = None
    _check_scale(config)
    normalizes = config.get("do_normalize", "image_mean" in config)
    return checked_preprocessing(
        Preprocessing(
            resize,
            None if crop is None else (crop[0], crop[-1]),
            _interpolation(config.get("resample", 2)),
            channels="rgb",
            mean=_numbers(config.get("image_mean")) if normalizes else None,
            std=_numbers(config.get("image_std")) if normalizes else None,
        )
    )


def preprocessing_of_timm(config: Mapping[str, Any]) -> Preprocessing:
    """What a default configuration of timm says of the pictures in a validation."""
    _, height, width = config["input_size"]
    share = config.get("crop_pct") or 0.875
    squashes = config.get("crop_mode") == "squash"
    resize = (int(height / share), int(width / share)) if squashes else (int(min(height, width) / share),)
    return checked_preprocessing(
        Preprocessing(
            resize,
            (height, width),
            _interpolation(config.get("interpolation") or "bicubic"),
            channels="rgb" if config["input_size"][0] == 3 else "gray",
            mean=_numbers(config.get("mean")),
            std=_numbers(config.get("std")),
        )
    )


def preprocessing_of_torchvision(transforms: Any) -> Preprocessing:
    """What the transforms that come with weights of torchvision do."""
    return checked_preprocessing(
        Preprocessing(
            tuple(transforms.resize_size),
            (transforms.crop_size[0], transforms.crop_size[-1]),
            _interpolation(transforms.interpolation.value),
            channels="rgb",
            mean=_numbers(transforms.mean),
            std=_numbers(transforms.std),
        )
    )


def _size(said: Any) -> tuple[int, ...] | None:
    """A size in any of the ways in which configs write it: a number, a pair, or sides by name."""
    match said:
        case None:
            return None
        case {"shortest_edge": side} | {"shortest_edge": side, "longest_edge": _}:
            sides = [side]
        case {"height": height, "width": width}:
            sides = [height, width]
        case [height, width]:
            sides = [height, width]
        case side:
            sides = [side]
    if not all(type(side) is int and 1 <= side <= MOST_PIXELS_A_SIDE for side in sides):
        raise Refused(
            "The model's preprocessing asks for pictures of size {got}, but a side has 1 to {most:,} pixels: "
            "correct its preprocessor_config.json.",
            got=shown(str(said)[:100]),
            most=MOST_PIXELS_A_SIDE,
        )
    return tuple(sides)


def _check_scale(config: Mapping[str, Any]) -> None:
    """Bytes become 0 to 1; another factor would be another network's input."""
    factor = config.get("rescale_factor", 1 / 255)
    if (
        not config.get("do_rescale", True)
        or not isinstance(factor, float)
        or not isclose(factor, 1 / 255, rel_tol=1e-6)
    ):
        raise Refused(
            "The model's preprocessing scales bytes by {got} instead of 1/255, which is not done here: give "
            "items as an .npz, in the scale that the network takes.",
            got=shown(str(factor)[:40]),
        )


def _interpolation(said: Any) -> str:
    named = _RESAMPLING.get(said, said) if isinstance(said, int) else str(said).lower()
    if named not in _RESAMPLING.values():
        raise Refused(
            "The model's preprocessing resizes by {got}; {known} are done here: give items as an .npz.",
            got=shown(str(said)[:40]),
            known=", ".join(_RESAMPLING.values()),
        )
    return str(named)


def _numbers(said: Any) -> tuple[float, ...] | None:
    if said is None:
        return None
    values = said if isinstance(said, list | tuple) else [said]
    if not 1 <= len(values) <= _MOST_CHANNELS or not all(
        isinstance(v, int | float) and abs(v) < 1e6 for v in values
    ):
        raise Refused(
            "The model's preprocessing has {got} for a mean or a deviation; it must be a number for each "
            "channel: correct its preprocessor_config.json.",
            got=shown(str(said)[:100]),
        )
    return tuple(float(value) for value in values)
