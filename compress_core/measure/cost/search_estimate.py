"""Whether finding the groups of a network is worth a job, told without trying it."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import network_macs
from compress_core.subject.subject import Subject

LONG = 1e11
"""Multiplications of an item times layers: 0.4e11 of a ResNet-18 take a second, 2e11 of a ResNet-50 2.5."""


def search_takes_long(subject: Subject, store: Store) -> bool:
    """Whether somebody would wait for the groups: an item's multiplications times the number of layers.

    Where these cannot be counted, each weight stands for the one that it takes at least.
    """
    counted = network_macs(Model.original(subject), store).value
    each = sum(layer.weights for layer in subject.layers) if counted is None else counted
    return each * len(subject.layers) >= LONG
