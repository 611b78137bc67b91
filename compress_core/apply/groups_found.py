"""The coupled groups of a network, found once; what took long outlives the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from compress_core.apply.context import examples_key, examples_of
from compress_core.apply.stored_groups import StoredGroups
from compress_core.foundation.store import Store, digest
from compress_core.foundation.texts import Phrase
from compress_core.foundation.told_progress import TellProgress, told_to_nobody
from compress_core.structure.group import Group
from compress_core.structure.groups import find_groups
from compress_core.subject.subject import Subject

GROUPS = "groups"  # under this word the store counts what was searched and what was found in the workspace
_WORTH_A_FILE_SECONDS = 0.5
_WORTH_ROOM = 2**25  # bytes; a search takes about twice those of the weights


def groups_in(base: Subject, store: Store, tell: TellProgress = told_to_nobody) -> Mapping[str, Group]:
    """The coupled groups of a network as it is, free or locked, by name; tell hears how far a search is."""
    key = _key(base)

    def search() -> StoredGroups:
        needed = 2 * sum(values.nbytes for values in base.network.parameters())
        if needed >= _WORTH_ROOM:
            store.make_room(needed)
        return StoredGroups.of(find_groups(base.network, examples_of(base), tell=tell))

    def make() -> Mapping[str, Group]:
        return _named(store.lasting(GROUPS, key, search, least_seconds=_WORTH_A_FILE_SECONDS), base)

    return store.get(key, make)


def are_found(base: Subject, store: Store) -> bool:
    """Whether the groups of a network are known, so that nobody waits for them."""
    return store.has(_key(base)) or store.lasts(_key(base))


def found_elsewhere(found: StoredGroups, base: Subject, store: Store) -> Mapping[str, Group]:
    """The groups of a network as somebody else found them, from now on known here."""
    return store.get(_key(base), lambda: _named(found, base))


def _key(base: Subject) -> str:
    return digest("groups", base.key, *examples_key(base))


def _named(found: StoredGroups, base: Subject) -> Mapping[str, Group]:
    return MappingProxyType({group.name: _unless_locked(group, base.locked) for group in found.groups()})


def _unless_locked(group: Group, locked: Mapping[str, str]) -> Group:
    """The group, which is locked where it would cut a layer that is."""
    names = [member.module for member in group.members if member.module in locked]
    if not names:
        return group
    reason = Phrase("{layer} must stay whole: {reason}", layer=names[0], reason=Phrase(locked[names[0]]))
    return replace(group, locked=reason)
