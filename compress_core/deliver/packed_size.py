"""How long the packed file of a model is, without writing it."""

from __future__ import annotations

from contextlib import suppress

from compress_core.apply.model import Model
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest

PACKED_BYTES = "packed_bytes"  # under this name the workspace has it among the numbers of a model


def packed_size(model: Model, store: Store) -> Number:
    """Bytes of the packed file, which is made for it and let go again; made once for each model.

    The workspace notes it for who lists models.
    """
    return store.get(_key(model), lambda: _noted(model, store))


def packed_as(name: str) -> str:
    """Under which word the size is noted of a model that was loaded by this name: the file says the name."""
    return f"packed as {name}"


def _noted(model: Model, store: Store) -> Number:
    size = Number(float(len(pack_bytes(model))), "byte", "measured")
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
