"""Coupled groups as a workspace keeps them: plain facts, and the indices of their channels beside these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compress_core.foundation.texts import Phrase
from compress_core.network.layers.side import Side
from compress_core.structure.group import Group, GroupKind, Member, MemberRole


@dataclass(frozen=True, eq=False)
class StoredGroups:
    """facts: JSON of the groups, in which indices [units, r] are told by their place; each stands once."""

    facts: str
    indices: tuple[Tensor, ...]

    @classmethod
    def of(cls, groups: Iterable[Group]) -> StoredGroups:
        """Groups as values that go to the disk."""
        found = tuple(groups)
        own = {id(member.indices): member.indices for group in found for member in group.members}
        places = {key: place for place, key in enumerate(own)}
        return cls(json.dumps([_group(group, places) for group in found]), tuple(own.values()))

    def groups(self) -> tuple[Group, ...]:
        """The groups again; members that had one tensor have one."""
        return tuple(_group_of(said, self.indices) for said in json.loads(self.facts))


def _group(group: Group, places: dict[int, int]) -> dict[str, Any]:
    members = [[m.module, m.side, places[id(m.indices)], m.width, m.role] for m in group.members]
    return {
        "name": group.name,
        "kind": group.kind.name,
        "units": group.units,
        "members": members,
        "edges": group.edges,
        "locked": _told(group.locked),
    }


def _group_of(said: dict[str, Any], indices: Sequence[Tensor]) -> Group:
    members = (
        Member(module, Side(side), indices[place], width, MemberRole(role))
        for module, side, place, width, role in said["members"]
    )
    return Group(
        said["name"],
        GroupKind[said["kind"]],
        said["units"],
        tuple(members),
        tuple((start, end) for start, end in said["edges"]),
        _heard(said["locked"]),
    )


def _told(text: object) -> Any:
    """A reason as plain values: a phrase by its template, so that it can be translated again."""
    match text:
        case Phrase():
            return {
                "phrase": text.template,
                "of": {name: _told(value) for name, value in text.values.items()},
            }
        case str() | int() | float() | None:
            return text
    return str(text)


def _heard(said: Any) -> Any:
    match said:
        case {"phrase": template, "of": values}:
            return Phrase(template, **{name: _heard(value) for name, value in values.items()})
    return said
