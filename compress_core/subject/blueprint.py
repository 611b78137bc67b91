"""From what a network is built again, where neither its weights nor code of its owner's tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.workspace.json_text import Json, as_text


@dataclass(frozen=True)
class Blueprint:
    """What another process builds the same network from, before it gets its weights.

    source: which of the `network_sources` builds it; told: what that one is told, as canonical JSON.
    """

    source: str
    told: str

    @classmethod
    def of(cls, source: str, values: Mapping[str, Json]) -> Blueprint:
        """The blueprint of plain values; raises TypeError or ValueError for what JSON cannot say."""
        return cls(source, as_text(values))

    @property
    def values(self) -> Mapping[str, Any]:
        """What the source is told."""
        told: dict[str, Any] = json.loads(self.told)
        return told
