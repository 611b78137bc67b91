"""The models that this server was started with: the visitor's own, the same in every window.

They belong to the process, not to a session; a link names them like an upload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused
from compress_core.loading.cards import cards

if TYPE_CHECKING:
    from compress_core.recipe.values import Recipe
    from compress_core.subject.subject import Subject

USER_MODEL = "own-"


@dataclass(frozen=True, eq=False)
class Opened:
    """A model that was handed over at the start, under the name by which links and pages open it."""

    name: str
    subject: Subject
    recipe: Recipe | None


_HANDED: dict[str, Opened] = {}


def user_model_name(subject: Subject) -> str:
    """The name under which a model of somebody's own is opened: its weights, and what is asked of them."""
    from compress_core.foundation.store import digest
    from compress_core.subject.answer_kind import PredictionTask

    is_usual = subject.task is PredictionTask.CLASSIFICATION
    content = subject.digest if is_usual else digest(subject.digest, subject.task.value)
    return USER_MODEL + content[:12]


def hand_over(subject: Subject, recipe: Recipe | None, *, is_sample: bool = False) -> Opened:
    """Have every new visitor begin with this model; raises Refused where nothing of it can be compressed."""
    from compress_core.apply.run import resolved_for
    from compress_core.foundation.store import Store

    if not subject.layers:
        raise Refused(
            "No layer of {model} can be compressed: open a network with linear, convolution, embedding or "
            "attention layers.",
            model=subject.title,
        )
    if recipe is not None:
        resolved_for(subject, recipe, Store())
    is_plain = is_sample and subject.name in cards()
    given = Opened(subject.name if is_plain else user_model_name(subject), subject, recipe)
    _HANDED.pop(given.name, None)
    _HANDED[given.name] = given
    return given


def withdraw(given: Opened) -> None:
    """Have nobody find this model any more."""
    _HANDED.pop(given.name, None)


def handed_over() -> Mapping[str, Opened]:
    """Every model that was handed over, by name, the latest last."""
    return MappingProxyType(dict(_HANDED))


def first_model() -> Opened | None:
    """The model with which a visitor begins; None where the server was started without one."""
    return next(reversed(_HANDED.values()), None)
