"""How long the packed file of a model is, without writing it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from compress_core.apply.model import Model
from compress_core.deliver.packed_file import packed_length
from compress_core.deliver.packing.entries import Piece
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest

PACKED_BYTES = "packed_bytes"  # under this name the workspace has it among the numbers of a model


def packed_size(model: Model, store: Store) -> Number:
    """Bytes of the packed file as it would be written; counted once for each model.

    The workspace notes it for who lists models.
    """
    return store.get(_key(model), lambda: _noted(model, store))


def packed_as(name: str) -> str:
    """Under which word the size is noted of a model that was loaded by this name: the file says the name."""
    return f"packed as {name}"


def _kept(model: Model, store: Store, name: str, make: Callable[[], Piece]) -> Piece:
    """What a tensor of the base takes: packed for the first of many models that leave it as it is."""
    return store.get(digest("packed piece", model.base.key, name), make)


def _noted(model: Model, store: Store) -> Number:
    size = Number(float(packed_length(model, lambda *piece: _kept(model, store, *piece))), "byte", "measured")
    if store.workspace is not None:
        with suppress(Refused):  # a disk that is full is no reason to stop
            word, said = packed_as(model.subject.name), {PACKED_BYTES: size.as_json()}
            store.workspace.evaluations.keep(model.key, "", word, 0, said)
    return size


def packed_size_at_hand(model: Model, store: Store) -> Number | None:
    """The same where it is known already; None otherwise, and nothing is packed for it."""
    return packed_size(model, store) if is_packed(model, store) else None


def is_packed(model: Model, store: Store) -> bool:
    """Whether that is known already."""
    return store.has(_key(model))


def _key(model: Model) -> str:
    return digest("packed size", model.key, model.subject.name)  # the file names its model
