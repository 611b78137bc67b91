"""Networks of timm by name: built without weights, from its own list."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from torch import nn

from compress_core.loading.network_source import network_source
from compress_core.loading.registry_names import (
    MOST_CLASSES,
    MOST_PIXELS,
    bounded_number,
    checked_network_name,
    imported,
)

_SIZE = "img_size"


@network_source
def timm(told: Mapping[str, Any]) -> nn.Module:
    """name: of a network, with or without the tag of its weights; classes, size: of its answers and images.

    Raises Refused for a name that is not in the list, and for numbers out of bounds.
    """
    library = imported("timm")
    known = sorted({*library.list_models(), *library.list_models(pretrained=True)})
    name = checked_network_name(told.get("name"), known, "timm")
    classes, size = bounded_number(told, "classes", MOST_CLASSES), bounded_number(told, "size", MOST_PIXELS)
    arguments = {} if classes is None else {"num_classes": classes}
    if size is not None:
        try:
            return _built(library, name, **arguments, img_size=size)
        except TypeError as error:
            if _SIZE not in str(error):
                raise
    return _built(library, name, **arguments)  # most take images of any size, and are told none


def _built(library: ModuleType, name: str, **arguments: int) -> nn.Module:
    network: nn.Module = library.create_model(name, pretrained=False, **arguments)
    return network
