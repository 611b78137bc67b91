"""load: the first thing one does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.items import Items, checked_items
from compress_core.loading.named import LARGE_CAPS, items_in, named_subject
from compress_core.loading.user_code import copied, origin_of
from compress_core.loading.user_model import subject_from_network, with_classes
from compress_core.subject.subject import Subject

Array = NDArray[np.generic] | Tensor
Labels = Array | Sequence[int]


def load(
    model: str | Path | nn.Module,
    items: str | Path | Array | None = None,
    labels: Labels | None = None,
    *,
    classes: Sequence[str] | None = None,
    input_shape: tuple[int, ...] | None = None,
    factory: str | None = None,
) -> Subject:
    """A trained classifier with the items it is judged on, ready to be compressed; nothing of yours changes.

    model: a sample's name ("lenet5"), a file of weights (safetensors or a state dict),
    "package.module:factory", or the network itself, which is copied and taken to the CPU in float32.
    items [N, ...]: what the network is shown, as it takes it, or a .npz file with inputs and labels; bytes
    (uint8) mean 0 to 255. labels [N]: whole numbers from 0. From 200 items on, one in ten is set apart for
    techniques that measure. classes: a name for each output. input_shape: of one item, where no items are
    given. factory: how other processes build a network that was given itself, "package.module:function".

    Raises Refused with what to change where the network does not run on the items, or nothing of that name
    is there.

        model = load("lenet5")
        model = load(my_network, images, labels, classes=("cat", "dog"))
    """
    given = _items(items, labels)
    if isinstance(model, nn.Module):
        network = copied(model)
        origin, name = origin_of(model, factory), type(model).__name__
        subject = subject_from_network(network, given, name, input_shape, origin=origin)
    else:
        if factory is not None:
            raise Refused(
                "factory goes with a network that is given itself: leave it out for {model}.", model=model
            )
        subject = named_subject(str(model), items=given, input_shape=input_shape)
    return with_classes(subject, classes)


def _items(items: str | Path | Array | None, labels: Labels | None) -> Items | None:
    if items is None or isinstance(items, str | Path):
        if labels is not None:
            raise Refused(
                "labels go with items given as an array [N, ...]: give both, or a file that holds both."
            )
        return None if items is None else items_in(Path(items))
    answers = None if labels is None else np.asarray(_plain(labels))
    return checked_items(_plain(items), answers, caps=LARGE_CAPS)


def _plain(values: Labels) -> NDArray[np.generic]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
