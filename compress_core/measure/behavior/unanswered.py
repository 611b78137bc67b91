"""How many items a model leaves without a finite answer, in a sentence: accuracy counts them as wrong."""

from __future__ import annotations

import numpy as np

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.split import Split


def unanswered(model: Model, split: Split, store: Store) -> Phrase | None:
    """What there is to say of a model on a split; of a compressed one beside the original."""
    after = predict(model, split, store)
    if not model.is_changed:
        return unanswered_words(after)
    return unanswered_words(after, predict(Model.original(model.subject), split, store))


def unanswered_words(after: Predictions, before: Predictions | None = None) -> Phrase | None:
    """The sentence; None where every answer is finite, and where answers are no classes.

    Of an item with several decisions, one that is not finite is enough.
    """
    if not after.kind.has_classes:
        return None
    now, was = _without(after), 0 if before is None else _without(before)
    total = after.n if after.item_of is None else np.unique(after.item_of).size
    if not now and not was:
        return None
    if before is None:
        return Phrase(
            "Of {total:,} items {count:,} get no finite answer: they have no class and no confidence, and "
            "count as wrong.",
            total=total,
            count=now,
        )
    return Phrase(
        "Of {total:,} items the original leaves {before:,} without a finite answer, the compressed "
        "model {after:,}: they have no class and no confidence, and count as wrong.",
        total=total,
        before=was,
        after=now,
    )


def _without(predictions: Predictions) -> int:
    """How many items have an answer that is not finite."""
    missing, items = ~predictions.answered, predictions.item_of
    return int(missing.sum()) if items is None else int(np.unique(items[missing]).size)
