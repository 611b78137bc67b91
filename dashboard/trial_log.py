"""The log of what a visitor tried on a model: a line when a knob is let go, completed once it is measured.

It belongs to the visitor, not to a tab. A line is named to find it again: such a line is a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from compress_core.foundation.errors import Refused
from dashboard import engine, saved_work
from dashboard.visitor import visitor

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.apply.model import Model
    from compress_core.foundation.number import Number
    from compress_core.foundation.workspace.trials import Trial
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

BYTES, CHANGE = "bytes", "accuracy_change"  # the names of these numbers in an evaluation
SPLIT = "validation"


def log_of(subject: Subject) -> str:
    """Under which name the log of a model stands: equal weights with other items or classes have another."""
    from compress_core.foundation.store import digest

    return digest("log", subject.key, subject.identity)


def note(before: Lineage, model: Model) -> int:
    """Write a line for a model that was just made of another one; gives its number. Raises Refused."""
    from compress_core.foundation.number import Number

    subject = model.subject
    made_from = saved_work.keep_model(before, subject)
    key = saved_work.keep_model(model.lineage, subject)
    known: Any = {BYTES: Number(float(model.file_bytes), "byte", "exact").as_json()}
    recipe = model.recipe.as_json()
    number = engine.workspace().trials.log(visitor(), log_of(subject), key, recipe, known, made_from)
    split = subject.splits.get(SPLIT)
    if split is not None:
        complete_from_evaluations(subject, split, [key])
    return number


def adopt_snapshots(name: str, subject: Subject) -> None:
    """Make lines of what releases before the log kept by name beside the work on a model; once.

    name: under which the model was opened. What such a line measured was kept nowhere: it is not measured,
    until somebody returns to it. One whose recipe this release cannot read is left out, and a full disk is
    no error.
    """
    from compress_core.apply.lineage import recipe_of

    place = engine.workspace()
    old = place.sessions.snapshots(visitor(), name)
    if not old:
        return
    known = {line.name for line in named(subject)}
    with suppress(Refused):
        for one in old:
            way = saved_work.way_to(one.model)
            if way is None or one.name in known:
                continue
            key, recipe = saved_work.keep_model(way, subject), recipe_of(way).as_json()
            log = log_of(subject)
            number = place.trials.log(visitor(), log, key, recipe, {}, time=one.time)
            place.trials.name(visitor(), log, number, one.name)
        place.sessions.forget_snapshots(visitor(), name)


def complete(model: Model, numbers: Mapping[str, Number]) -> None:
    """Add the exact numbers of all validation items to the lines of a model; a full disk is no error."""
    said: Any = {name: number.as_json() for name, number in numbers.items()}
    place, split = engine.workspace(), model.subject.splits.get(SPLIT)
    if place.folder is None and split is not None:  # a store notes on a disk alone
        place.evaluations.keep(model.key, SPLIT, split.digest, len(split), said)
    with suppress(Refused):
        engine.workspace().trials.complete(visitor(), log_of(model.subject), model.key, SPLIT, said)


def complete_from_evaluations(subject: Subject, split: Split, keys: list[str]) -> None:
    """Add what this release has measured meanwhile to lines that were left before it was known."""
    place = engine.workspace()
    with suppress(Refused):
        for key in dict.fromkeys(keys):
            found = place.evaluations.find(key, split.digest)
            if found is not None:
                place.trials.complete(visitor(), log_of(subject), key, split.name, found.numbers)


def lines(subject: Subject, newest: int = -1) -> tuple[Trial, ...]:
    """What this visitor tried on a model, the newest first."""
    return engine.workspace().trials.of(visitor(), log_of(subject), newest)[::-1]


def count(subject: Subject) -> int:
    """How many lines there are."""
    return engine.workspace().trials.count(visitor(), log_of(subject))


def named(subject: Subject) -> tuple[Trial, ...]:
    """The lines that have a name, the newest first."""
    return engine.workspace().trials.named(visitor(), log_of(subject))[::-1]


def give_name(subject: Subject, number: int, name: str) -> None:
    """Call a line by a name, which no other line has then; an empty one takes it away. Raises Refused."""
    engine.workspace().trials.name(visitor(), log_of(subject), number, name)


def name_current(model: Model, name: str) -> None:
    """Call the newest line of a model by a name; one without a line gets it now. Raises Refused."""
    known = next((line for line in lines(model.subject) if line.model == model.key), None)
    number = known.number if known is not None else note(model.lineage, model)
    give_name(model.subject, number, name)
