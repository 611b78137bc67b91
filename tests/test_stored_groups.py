"""Groups that took long to find are found in the workspace by the next process, and are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from compress_core.apply import groups_found
from compress_core.apply.groups_found import GROUPS, groups_in
from compress_core.apply.stored_groups import StoredGroups
from compress_core.foundation.store import Store
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.foundation.texts import Phrase
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.structure.group import Group
from tests.subjects import loaded_sample
from tests.zoo import ZOO, groups_of


def _told(group: Group) -> list[object]:
    members = [(m.module, m.side, m.indices.tolist(), m.width, m.role) for m in group.members]
    values = group.locked.values if isinstance(group.locked, Phrase) else None
    return [group.name, group.kind, group.units, members, group.edges, group.locked, str(values)]


@pytest.mark.parametrize("name", ZOO)
def test_groups_come_back_from_the_disk_as_they_were(name: str) -> None:
    groups = groups_of(name)
    again = from_bytes(to_bytes(StoredGroups.of(groups))).groups()
    assert [_told(group) for group in again] == [_told(group) for group in groups]
    for group, other in zip(groups, again, strict=True):
        kept = torch.arange(group.units) % 2 == 0
        for cut, same in zip(group.cuts(kept), other.cuts(kept), strict=True):
            assert (cut.module, cut.side) == (same.module, same.side)
            assert torch.equal(cut.kept, same.kept)


def test_a_second_process_finds_the_groups_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_found, "_WORTH_A_FILE_SECONDS", 0)
    subject, folder = loaded_sample("tabular"), tmp_path
    first, second = (Store(workspace=Workspace.at(folder)) for _ in range(2))
    found = groups_in(subject, first)
    again = groups_in(subject, second)
    assert {n: _told(group) for n, group in found.items()} == {n: _told(g) for n, g in again.items()}
    assert (first.computed[GROUPS], first.found[GROUPS]) == (1, 0)
    assert (second.computed[GROUPS], second.found[GROUPS]) == (0, 1)
