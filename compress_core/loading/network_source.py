"""Where networks come from that are neither a sample nor their owner's code: one file for each source.

A source is a function of plain values that builds a network without its weights. Other processes call it
again, so it runs nothing that a file brought: names stand in a list of its own, and numbers are bounded
before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.loading.fitting_weights import loaded
from compress_core.subject.blueprint import Blueprint

Build = Callable[[Mapping[str, Any]], nn.Module]


@dataclass(frozen=True)
class NetworkSource:
    """One source of networks; build raises Refused, where its package is not installed too."""

    name: str
    build: Build


_FILES: OneFileEach[NetworkSource] = OneFileEach(
    "compress_core.loading.network_sources", lambda source: source.name
)


def network_source(build: Build) -> Build:
    """Register a function of plain values as a source of networks; it stays a function."""
    name = getattr(build, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
    _FILES.declare(build.__module__, name, NetworkSource(name, build))
    return build


def network_sources() -> Mapping[str, NetworkSource]:
    """Every source by name."""
    return _FILES.found()


def network_of(blueprint: Blueprint, state: Mapping[str, Tensor], name: str) -> nn.Module:
    """The network of a blueprint with its weights; raises Refused where one of them cannot be had."""
    if blueprint.source not in network_sources():
        raise Refused(
            "{name} was built by {source}, which this installation does not know: install the release that "
            "it came from.",
            name=name,
            source=blueprint.source,
        )
    return loaded(network_sources()[blueprint.source].build(blueprint.values), state, name)
