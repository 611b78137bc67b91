"""What is prepared and cut before any weight is treated: it leads to a base, a subject of its own."""

from __future__ import annotations

from collections.abc import Sequence

from compress_core.apply.prepare import prepared
from compress_core.recipe import Resolved, Setting
from compress_core.store import Store
from compress_core.subject.subject import Subject


def group_names(subject: Subject, prepare: Sequence[Setting], store: Store) -> tuple[str, ...]:
    """The names of the coupled groups that a recipe may speak of."""
    return tuple(groups_of(subject, prepare, store))


def groups_of(subject: Subject, prepare: Sequence[Setting], store: Store) -> tuple[str, ...]:  # noqa: ARG001
    """The coupled groups of a subject once it is prepared."""
    return ()


def base_of(subject: Subject, resolved: Resolved, store: Store) -> Subject:
    """The subject that the layers' steps work on: prepared, and with its groups cut."""
    return prepared(subject, resolved.prepare, store)
