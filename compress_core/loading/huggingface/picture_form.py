"""How pictures become what a network takes, as preprocessor_config.json says. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from compress_core.foundation.errors import Refused, shortened
from compress_core.loading.file_format import ItemKnobs
from compress_core.loading.hub_preprocessing import preprocessing_of_hub
from compress_core.loading.huggingface.config_file import MOST_BYTES, FolderConfig, object_in
from compress_core.loading.huggingface.folder_files import FolderFiles
from compress_core.loading.preprocessing import AS_IT_IS
from compress_core.subject.input_form import IMAGE, InputForm

PREPROCESSOR = "preprocessor_config.json"
_USUAL_SIDE = 224
_SMALLEST, _LARGEST = 1, 4096
_BYTE = 255
_NEAR = 1e-4


def picture_form(files: FolderFiles, config: FolderConfig) -> InputForm:
    """The form of the pictures of a folder: their size, and the mean and deviation of what is taken.

    Pixels from 0 to 1 as they are where the folder does not say more. Raises Refused for what is not read.
    """
    channels = _whole(config.numbers.get("num_channels"), 3)
    said: Mapping[str, Any] = (
        object_in(files.read(PREPROCESSOR, MOST_BYTES), PREPROCESSOR) if PREPROCESSOR in files.sizes else {}
    )
    height, width = _size(said, _whole(config.numbers.get("image_size"), _USUAL_SIDE))
    _check_scale(said)
    if not said.get("do_normalize", bool(said)):
        return InputForm(IMAGE, (channels, height, width), (0.0,) * channels, (1.0,) * channels)
    mean, std = (_numbers(said.get(name), channels, name) for name in ("image_mean", "image_std"))
    if min(std) <= 0:
        raise _not_read("image_std", std)
    return InputForm(IMAGE, (channels, height, width), mean, std)


def picture_knobs(files: FolderFiles, knobs: ItemKnobs) -> ItemKnobs:
    """How picture files are read for the network of a folder: as it says, unless somebody says otherwise.

    Raises Refused for what is not done here, and for a scale beside the folder's own.
    """
    how = knobs.preprocessing
    if how.scales:
        raise Refused(
            "{folder} has a mean and std of its own: leave them out of the preprocessing.", folder=files.name
        )
    if how != AS_IT_IS or PREPROCESSOR not in files.sizes:
        return knobs
    said = preprocessing_of_hub(object_in(files.read(PREPROCESSOR, MOST_BYTES), PREPROCESSOR))
    return replace(knobs, preprocessing=replace(said, mean=None, std=None))


def _size(said: Mapping[str, Any], usual: int) -> tuple[int, int]:
    """Height and width of what is taken: what is cut out of the middle, else what pictures are brought to."""
    wanted = said.get("crop_size") if said.get("do_center_crop") else None
    found = said.get("size") if wanted is None else wanted
    match found:
        case None:
            sides: Sequence[object] = (usual, usual)
        case int():
            sides = (found, found)
        case {"height": height, "width": width}:
            sides = (height, width)
        case {"shortest_edge": edge}:
            sides = (edge, edge)
        case _:
            raise _not_read("size", found)
    height, width = (_whole(side, 0) for side in sides)
    if not (_SMALLEST <= height <= _LARGEST and _SMALLEST <= width <= _LARGEST):
        raise _not_read("size", found)
    return height, width


def _check_scale(said: Mapping[str, Any]) -> None:
    """Bytes must come to numbers from 0 to 1, as everything here takes them."""
    factor = said.get("rescale_factor", 1 / _BYTE)
    usual = isinstance(factor, float) and abs(factor * _BYTE - 1) < _NEAR
    if not said.get("do_rescale", True) or not usual or said.get("do_convert_rgb") is False:
        raise _not_read("rescale_factor", factor)


def _numbers(values: object, channels: int, name: str) -> tuple[float, ...]:
    found = (
        values if isinstance(values, list) else [0.5] * channels if values is None else [values] * channels
    )
    if len(found) != channels or not all(isinstance(v, int | float) and abs(v) <= _BYTE for v in found):
        raise _not_read(name, values)
    return tuple(map(float, found))


def _whole(value: object, usual: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else usual


def _not_read(name: str, got: object) -> Refused:
    return Refused(
        "preprocessor_config.json has {name} {got}, which is not read here: give the pictures as the network "
        "takes them, in an .npz, and take that file out of the folder.",
        name=name,
        got=shortened(got),
    )
