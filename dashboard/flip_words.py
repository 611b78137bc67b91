"""What flips are called on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.measure.behavior.flips import Flips
    from compress_core.subject.subject import Subject


def class_of(subject: Subject, number: int) -> str:
    """What a class is called; outside of the classes is no answer."""
    choices = subject.choices
    if not 0 <= number < len(choices):
        return _("no answer")
    return _(choices[number]) if choices is not subject.classes else choices[number]


def kind_names() -> dict[str, str]:
    """What the kinds of flips are called; "changed" where there are no labels."""
    return {
        "any": _("all"),
        "right_to_wrong": _("right, now wrong"),
        "wrong_to_right": _("wrong, now right"),
        "wrong_to_wrong": _("wrong, now otherwise wrong"),
        "changed": _("changed"),
    }


def flips_text(flips: Flips, subject: Subject) -> str:
    """Which flips are meant, short; class names may come from a file."""
    if flips.is_all:
        return _("all changed items")
    said = [] if flips.kind == "any" else [kind_names()[flips.kind]]
    if flips.before is not None or flips.after is not None:
        before, after = (
            _("any class") if number is None else class_of(subject, number)
            for number in (flips.before, flips.after)
        )
        said.append(f"{before} → {after}")
    return ", ".join(said)
