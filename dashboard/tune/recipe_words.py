"""The difference of two recipes in words: what was added, taken out or changed, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from compress_core.foundation.printable import printable
from compress_core.recipe.difference import Change, knobs_that_differ
from compress_core.recipe.values import Calibration, ResolvedRecipe, Step
from compress_core.selection.patterns import NOfM
from dashboard.text import _, label
from dashboard.tune.steps import MAIN_KNOB

MOST_NAMED = 2
MOST_TOLD = 3


def before_weights(recipe: ResolvedRecipe) -> str:
    """How the network is before a step on weights: as loaded, or what preparations and cuts made of it."""
    match bool(recipe.prepare), bool(recipe.groups):
        case False, False:
            return _("as loaded")
        case True, False:
            return _("as prepared")
        case False, True:
            return _("as cut")
        case _:
            return _("as prepared and cut")


def step_words(step: Step | Calibration | None) -> str:
    """A step with the knobs that were set, as short as it may be; a dash for none."""
    match step:
        case None:
            return "–"
        case Calibration():
            return _items_words(step)
    knobs = ", ".join(f"{label(knob)} {value_words(value)}" for knob, value in _told_knobs(step).items())
    return f"{label(step.technique)} ({knobs})" if knobs else label(step.technique)


def _told_knobs(step: Step) -> Mapping[str, object]:
    """The knob that says how much, default or not, and those that were set."""
    main = MAIN_KNOB.get(step.stage, "")
    value = getattr(step.knobs, main, None)
    is_fixed = value is None or isinstance(step.pattern, NOfM)  # n:m says it already
    return dict(step.changed) if is_fixed else {main: value, **step.changed}


def _items_words(calibration: Calibration) -> str:
    if calibration.items is None:
        return _("all calibration items")
    return _("{count:,} calibration items").format(count=calibration.items)


def value_words(value: object) -> str:
    """The value of a knob as people write it."""
    match value:
        case None:
            return "–"
        case bool():
            return _("yes") if value else _("no")
        case float():
            return f"{value:g}"
        case str() if value.replace("_", "").isalpha():
            return label(value)
    return str(value)


def change_words(change: Change) -> str:
    """What became of one step, without where."""
    before, after = change.before, change.after
    if isinstance(before, Step) and isinstance(after, Step) and before.technique == after.technique:
        told = ", ".join(
            f"{label(knob)} {value_words(old)} → {value_words(new)}"
            for knob, (old, new) in knobs_that_differ(before, after).items()
        )
        return f"{label(after.technique)}: {told}"
    if before is None:
        return f"+ {step_words(after)}"
    if after is None:
        return f"− {step_words(before)}"
    return f"{step_words(before)} → {step_words(after)}"


def in_short(changes: Sequence[Change]) -> str:
    """All changes in one line: what happened to several layers alike is said once."""
    if not changes:
        return _("the same recipe")
    alike: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        alike.setdefault((change.section, change_words(change)), []).append(change.layer)
    told = [
        " ".join(filter(None, (_where(section, layers), said))) for (section, said), layers in alike.items()
    ]
    more = len(told) - MOST_TOLD
    rest = [_("and {count} more").format(count=more)] if more > 0 else []
    return "; ".join([*told[:MOST_TOLD], *rest])


def _where(section: str, layers: Iterable[str]) -> str:
    names = [printable(name) for name in layers if name]
    if section == "groups":
        return _("groups {names}").format(names=", ".join(names))
    if len(names) > MOST_NAMED:
        return _("{count} layers").format(count=len(names))
    return ", ".join(names)


def difference_frame(changes: Sequence[Change], first: str, second: str) -> pd.DataFrame:
    """A row for each step that differs, by layer: as one recipe has it, and as the other has it."""
    return pd.DataFrame(
        {
            _("Layer"): [printable(change.layer) or _("whole network") for change in changes],
            first: [step_words(change.before) for change in changes],
            second: [step_words(change.after) for change in changes],
        }
    )
