"""Models in the workspace's tree, with what no recipe makes again beside them."""

from __future__ import annotations

from collections.abc import Mapping

from compress_core.apply.lineage import Train
from compress_core.apply.model import Model
from compress_core.apply.trained import kept_files
from compress_core.foundation.store import Store


def keep_model(model: Model, store: Store) -> None:
    """Keep a model and all on the way to it in the tree of the workspace, if there is one.

    Raises Refused where the disk does not take it.
    """
    if store.workspace is None or store.workspace.models.find(model.key) is not None:
        return
    if model.parent is not None:
        keep_model(model.parent, store)
    parent, done = model.parent, model.operation
    subject = model.subject
    store.workspace.models.add(
        model.key,
        None if parent is None else parent.key,
        None if done is None else done.as_json(),
        subject.digest,
        subject.title,
        _files(model, store),
        store.maker,
    )


def _files(model: Model, store: Store) -> Mapping[str, bytes]:
    """The weights of a trained model, which go last where room is needed."""
    return kept_files(model.key, store) if isinstance(model.operation, Train) else {}
