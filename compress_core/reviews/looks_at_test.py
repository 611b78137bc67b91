"""How often a test split has been looked at, and whether gates were fixed before: the workspace remembers."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.model_tree import EVERYBODY
from compress_core.measure.behavior.evaluate import REPORTING, look_place
from compress_core.reviews.findings import LooksTaken
from compress_core.reviews.gate import Gates
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject


def are_counted(split: Split) -> bool:
    """Whether looks at these items are counted: test items alone, which nobody chooses on."""
    return split.name == REPORTING


def fix_gates(gates: Gates, store: Store) -> float | None:
    """Note that these gates are fixed, and say since when they are; None where nothing outlives the process.

    Raises Refused where the disk does not take it.
    """
    if store.workspace is None:
        return None
    return store.workspace.gates.fix(gates.sha, gates.as_json())


def looks_so_far(subject: Subject, split: Split, gates: Gates, store: Store) -> LooksTaken:
    """How often anybody looked at these items until now, and whether these gates were fixed before; no look.

    fixed_before is None where nobody looked and the gates are not noted yet: the look itself will fix them.
    """
    if store.workspace is None:
        return LooksTaken(models=0)
    since = store.workspace.gates.since(gates.sha)
    if not are_counted(split):
        return LooksTaken(0, None, since)
    models, first = store.workspace.looks.of_all(*look_place(subject, split))
    if since is None:
        return LooksTaken(models, first, None, None if first is None else False)
    return LooksTaken(models, first, since, first is None or since <= first)


def look_at(model: Model, split: Split, gates: Gates, store: Store) -> LooksTaken:
    """Note gates and look, in this order, and say how many models were looked at on these items so far.

    Whose looks they were does not matter: whoever chooses a model by what others saw there chooses on these
    items too. Looks at others than test items are noted and not told: whoever chooses sees those all the
    time. Raises Refused where the disk does not take it.
    """
    if store.workspace is None:
        return LooksTaken(models=1 if are_counted(split) else 0)
    looks = store.workspace.looks
    since = fix_gates(gates, store)
    place = look_place(model.subject, split)
    looks.note(EVERYBODY, *place, model.key)
    if not are_counted(split):
        return LooksTaken(0, None, since)
    models, first = looks.of_all(*place)
    fixed = None if since is None or first is None else since <= first
    return LooksTaken(models, first, since, fixed)
