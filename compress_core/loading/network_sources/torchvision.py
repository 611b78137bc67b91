"""Classifiers of torchvision by name: built without weights, from its own list."""

from __future__ import annotations

from collections.abc import Mapping
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

_OF_ONE_SIZE = "vit_"
_WITH_BRANCHES = {"googlenet", "inception_v3"}


@network_source
def torchvision(told: Mapping[str, Any]) -> nn.Module:
    """name: of a classifier; classes, size: of its answers and images; branches: whether it has more heads.

    Raises Refused for a name that is not in the list, and for numbers out of bounds.
    """
    models = imported("torchvision.models")
    name = checked_network_name(told.get("name"), models.list_models(module=models), "torchvision")
    arguments: dict[str, Any] = {"num_classes": bounded_number(told, "classes", MOST_CLASSES) or 1000}
    size = bounded_number(told, "size", MOST_PIXELS)
    if size is not None and name.startswith(_OF_ONE_SIZE):
        arguments["image_size"] = size
    if name in _WITH_BRANCHES:
        arguments |= {"aux_logits": bool(told.get("branches")), "init_weights": False}
    network: nn.Module = models.get_model(name, weights=None, **arguments)
    return network
