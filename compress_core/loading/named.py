"""What somebody names as a model - a sample, a file of weights, a function - becomes a subject.

This is the way in on one's own machine: files may be as large as memory allows, and a function is run.
A small file must stay small all the same: what it may become follows from its bytes. What a server is sent
goes through a `FileReader` and its caps.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.loading.cards import card_of, cards
from compress_core.loading.file_format import ItemCaps
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.items import DEFAULT_CAPS, Items, read_items
from compress_core.loading.own_training import with_training
from compress_core.loading.samples import load_sample
from compress_core.loading.stored import Caps
from compress_core.loading.upload import read_state_dict
from compress_core.loading.user_code import network_from
from compress_core.loading.user_model import (
    ItemShape,
    sample_with,
    subject_from_network,
    user_subject,
    with_items,
)
from compress_core.loading.weights_file import DIRECTORY_BYTES, SERVER_CAPS
from compress_core.subject.origin import Origin
from compress_core.subject.subject import Subject

WEIGHTS_FILES = (".safetensors", ".pt", ".pth", ".bin")
LARGEST_FILE = 8 * 2**30
_MOST_TENSORS = 2**16
_MOST_ITEMS = 10**7
LARGE_CAPS = replace(
    DEFAULT_CAPS,
    file_bytes=LARGEST_FILE,
    unpacked_bytes=2 * LARGEST_FILE,
    float32_bytes=2 * LARGEST_FILE,
    items=_MOST_ITEMS,
)
"""For arrays that are in memory already."""
_MOST_UNPACKED = 32  # times the bytes of the file: digits in black and white deflate to a twentieth


def named_subject(
    model: str | None,
    *,
    weights: Path | None = None,
    items: Items | None = None,
    training: Items | None = None,
    input_shape: ItemShape | None = None,
) -> Subject:
    """A sample by its name, what package.module:factory builds, or the network in a file of weights.

    weights go into the network that is named; alone, they tell the network themselves. A factory is looked
    for in the current folder too. items are what it is judged on, training what it can be trained on. Raises
    Refused with what to give instead.
    """
    subject = _judged_subject(model, weights, items, input_shape)
    return subject if training is None else with_training(subject, training)


def _judged_subject(
    model: str | None, weights: Path | None, items: Items | None, input_shape: ItemShape | None
) -> Subject:
    if model is None and weights is None:
        raise Refused(
            "No model was named: give a sample model ({samples}), package.module:factory or a file of "
            "weights.",
            samples=", ".join(cards()),
        )
    if model is None or _is_weights_file(model):
        return _from_weights(model, weights, items, input_shape)
    if model not in cards() and ":" in model:
        return _from_factory(Origin(model, str(Path.cwd())), weights, items, input_shape)
    return _from_sample(model, weights, items)


def items_in(path: Path) -> Items:
    """The items in a file of one's own, .npz or .npy; raises Refused."""
    content = content_of_file(path)
    return read_items(content, path.name, caps=item_caps_for(len(content)))


def item_caps_for(size: int) -> ItemCaps:
    """What a file of items of one's own may hold, from its bytes."""
    return replace(
        LARGE_CAPS,
        unpacked_bytes=max(DEFAULT_CAPS.unpacked_bytes, _MOST_UNPACKED * size),
        float32_bytes=max(DEFAULT_CAPS.float32_bytes, _MOST_UNPACKED * size),
    )


def weight_caps_for(size: int) -> Caps:
    """What a file of weights of one's own may hold, from its bytes: a value takes one at least."""
    directory = max(DIRECTORY_BYTES, size // 16)
    return Caps(LARGEST_FILE, directory, _MOST_TENSORS, max(SERVER_CAPS.elements, size))


def content_of_file(path: Path, most: int = LARGEST_FILE) -> bytes:
    """The bytes of a file; raises Refused where it cannot be read, or has more than so many.

    Of what has no size, as a pipe, no more is read than a server would take.
    """
    try:
        found = path.stat()
        most = most if stat.S_ISREG(found.st_mode) else min(most, SERVER_CAPS.file_bytes)
        content = b"" if found.st_size > most else _at_most(path, most + 1)
    except (OSError, ValueError, MemoryError) as error:  # a name with a NUL in it is a ValueError
        raise Refused(
            "{path} cannot be read ({reason}): give a file that exists.",
            path=path,
            reason=getattr(error, "strerror", None) or str(error) or type(error).__name__,
        ) from None
    if found.st_size > most or len(content) > most:
        raise Refused(
            "{path} has more than {most:,} bytes, the most that are read: give a smaller file.",
            path=path,
            most=most,
        )
    return content


def _at_most(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read() if stat.S_ISREG(path.stat().st_mode) else file.read(most)


def _is_weights_file(model: str) -> bool:
    if model in cards():
        return False
    try:
        return Path(model).suffix in WEIGHTS_FILES or Path(model).is_file()
    except OSError:  # no file can have such a name
        return False


def _from_weights(
    model: str | None, weights: Path | None, items: Items | None, input_shape: ItemShape | None
) -> Subject:
    if model is not None and weights is not None:
        raise Refused(
            "{model} and --weights are both files of weights: give one of them, or a network as MODEL.",
            model=model,
        )
    path = Path(model) if weights is None and model is not None else weights
    assert path is not None, "one of the two names a file"
    return user_subject(_state(path), items, name=path.stem, input_shape=input_shape)


def _from_factory(
    origin: Origin, weights: Path | None, items: Items | None, input_shape: ItemShape | None
) -> Subject:
    network = network_from(origin)
    if weights is not None:
        network = loaded(network, _state(weights), weights.stem)
    return subject_from_network(network, items, origin.factory, input_shape, origin=origin)


def _from_sample(name: str, weights: Path | None, items: Items | None) -> Subject:
    card = card_of(name)
    if weights is not None:
        return sample_with(card.name, _state(weights), items, name=weights.stem)
    return load_sample(card.name) if items is None else with_items(load_sample(card.name), items)


def _state(path: Path) -> dict[str, Tensor]:
    content = content_of_file(path)
    return read_state_dict(content, path.name, weight_caps_for(len(content)))
