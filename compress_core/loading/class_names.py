"""Which output of a network a class is, where the items name their classes: never by a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compress_core.foundation.errors import Refused
from compress_core.loading.items import Items
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import some_of


def numbered(classes: int) -> tuple[str, ...]:
    """The names of classes that nobody named."""
    return tuple(str(index) for index in range(classes))


def refuse_same_names(names: Sequence[str], where: str) -> None:
    """Raise Refused where two classes have one name: which of them is meant nobody could tell."""
    again = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if again is not None:
        raise Refused(
            "{where} calls two classes {name!r}, so that nobody could tell which is meant: give each a name "
            "of its own.",
            where=where,
            name=shown(again),
        )


def with_known_classes(items: Items, known: Sequence[str]) -> Items:
    """Items with labels as a network numbers its classes; raises Refused where it has no such class."""
    if not items.classes:
        return items
    places = {name: place for place, name in enumerate(known)}
    strange = [name for name in items.classes if name not in places]
    if strange:
        raise Refused(
            "The items name classes that the model has not ({strange}); it tells {known} apart. Call them as "
            "the model does, or by their numbers from 0.",
            strange=some_of(map(shown, strange)),
            known=some_of(map(shown, known)),
        )
    if items.labels is None:
        return replace(items, classes=())
    order = np.array([places[name] for name in items.classes], dtype=np.int64)
    return replace(items, labels=order[items.labels], classes=())


def classes_named_by(items: Items | None, outputs: int) -> tuple[str, ...]:
    """What the outputs of a network are called that names none itself: as its items name their classes.

    The order of the names is that of the outputs, as trainings from folders number them. Raises Refused where
    the items name fewer or more: which output is which would be a guess.
    """
    if items is None or not items.classes:
        return numbered(outputs)
    if len(items.classes) != outputs:
        raise Refused(
            "The items name {got} classes ({names}), but the model tells {outputs} apart, and nothing says "
            "which is which. Call the classes by the numbers of their outputs, from 0.",
            got=len(items.classes),
            names=some_of(map(shown, items.classes)),
            outputs=outputs,
        )
    return items.classes
