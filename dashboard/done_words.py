"""What was done to a model in the visitor's words, from the one line that the core makes of it."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from compress_core.decide.operation_words import AND, ARROW, BAR
from compress_core.techniques.contract.technique import techniques
from compress_core.training.method import training_methods
from dashboard.text import label

_EPOCHS = "epochs"  # of a training, whatever its methods
_OF_TECHNIQUE = re.compile(r" (\w+)=(\[[^\]]*\]|\S+)")  # the name of a layer follows
_OF_TRAINING = re.compile(r" (\w+)=(.*?)(?= \w+=|$)")  # names of layers may be what a knob says


def done_in_words(what: str) -> str:
    """`magnitude sparsity=0.9 fc1` as pages call it: Magnitude (Sparsity 0.9) fc1.

    What this release does not know stays as it is.
    """
    return ARROW.join(AND.join(map(_in_words, done.split(AND))) for done in what.split(ARROW))


def _in_words(done: str) -> str:
    name = done.partition(" ")[0]
    if name in techniques():
        form, known = _OF_TECHNIQUE, _fields(techniques()[name].knobs, techniques()[name].group_knobs)
        names = set[str]()
    elif name in training_methods():
        form, known = _OF_TRAINING, {**_fields(training_methods()[name].knobs), _EPOCHS: int}
        names = {knob for knob, kind in known.items() if kind is str}
    else:
        return done
    said = [found for found in form.finditer(done) if found[1] in known]
    pairs = ((found[1], found[2] if found[1] in names else _value(found[2])) for found in said)
    knobs = ", ".join(f"{label(knob)} {value}" for knob, value in pairs)
    where = done[said[-1].end() if said else len(name) :].strip()
    return " ".join(filter(None, (label(name), f"({knobs})" if knobs else "", where)))


def _fields(*kinds: type[BaseModel] | None) -> dict[str, Any]:
    """The knobs of some kinds, each with what it may be."""
    return {name: field.annotation for kind in kinds if kind for name, field in kind.model_fields.items()}


def _value(text: str) -> str:
    """A number as it is; a choice, or those of several layers between bars, in the visitor's words."""
    return BAR.join(label(word) if word.replace("_", "").isalpha() else word for word in text.split(BAR))
