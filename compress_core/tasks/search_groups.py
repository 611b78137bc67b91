"""Find out what shrinks together in a model, as loaded or after what was done to it, once it is prepared."""

from __future__ import annotations

import json
from collections.abc import Generator

import numpy as np
import torch

from compress_core.apply.groups_found import groups_in
from compress_core.apply.groups_needed import searched_base
from compress_core.apply.model import Model
from compress_core.apply.stored_groups import StoredGroups
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.told_progress import as_told
from compress_core.jobs.task import ResultFiles, Task


class GroupSearchKnobs(Strict):
    """The split whose items the network is tried on; what it is prepared with stands in its recipe."""

    split: str = ""


def run(
    model: Model, _knobs: GroupSearchKnobs, _seed: int, store: Store
) -> Generator[Progress, None, StoredGroups]:
    """Search, and keep what is found in the workspace; nothing in it is random."""
    base = searched_base(model, store)
    found = yield from as_told(lambda tell: groups_in(base, store, tell))
    return StoredGroups.of(found.values())


def pack(found: StoredGroups) -> ResultFiles:
    """Indices as arrays in their order, all else as it goes to the disk."""
    arrays = {f"{place:06d}": indices.numpy() for place, indices in enumerate(found.indices)}
    return ResultFiles(arrays, {"groups": json.loads(found.facts)})


def unpack(packed: ResultFiles) -> StoredGroups:
    """The reverse of `pack`."""
    indices = (torch.from_numpy(np.array(packed.arrays[place])) for place in sorted(packed.arrays))
    return StoredGroups(json.dumps(packed.facts["groups"]), tuple(indices))


GROUP_SEARCH = Task(
    "groups", GroupSearchKnobs, lambda knobs: (knobs.split,) if knobs.split else (), run, pack, unpack
)
