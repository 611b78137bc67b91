"""What a person hands to the face, looked at before it is used: each mistake is one sentence."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path

from torch import nn

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused, shortened
from compress_core.subject.subject import Subject


def checked_model(model: object, function: str) -> Model:
    """A compressed model, or one as loaded with nothing done to it; raises Refused for anything else."""
    if isinstance(model, Model):
        return model
    if isinstance(model, Subject):
        return Model.original(model)
    raise _not_loaded(model, function)


def checked_compressed(model: object, function: str) -> Model:
    """A model that `compress` made; raises Refused for anything else."""
    if isinstance(model, Subject):
        raise Refused(
            "{function} needs a compressed model, which it sets beside its original, but got the one as "
            "loaded: give what compress made of it, or call evaluate.",
            function=function,
        )
    return checked_model(model, function)


def _not_loaded(model: object, function: str) -> Refused:
    named = shortened(model) if isinstance(model, str) else kind_of(model)
    return Refused(
        "{function} takes a model that load gave, but got {got}: call load first and give what it returns.",
        function=function,
        got=named,
    )


def kind_of(value: object) -> str:
    """What something is, in a word or two: its content may be a gigabyte."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{'the network ' if isinstance(value, nn.Module) else 'a value of type '}{type(value).__name__}"


def checked_path(path: object) -> Path:
    """A place for a file; raises Refused where it is no path, or one that no file can have."""
    if not isinstance(path, str | os.PathLike):
        raise Refused(
            "A path is text or a pathlib.Path, but got {got}: give the name of a file.", got=kind_of(path)
        )
    place = Path(path)
    if "\0" in str(place) or not _can_be_encoded(place):
        raise Refused(
            "The path {got} holds a character that no file's name can have: leave it out.",
            got=shortened(str(place)),
        )
    return place


def _can_be_encoded(place: Path) -> bool:
    try:
        os.fsencode(place)
    except UnicodeEncodeError:
        return False
    return True


def checked_count(name: str, value: object, least: int, most: int) -> int:
    """A whole number within its limits; raises Refused."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise Refused(
            "{name} must be a whole number from {least} to {most}, but got {got}: change it.",
            name=name,
            least=least,
            most=most,
            got=shortened(value),
        )
    return int(value)


def checked_name(name: str, value: object) -> str:
    """The name of a split, a method or a format; raises Refused where it is no text."""
    if isinstance(value, str):
        return value
    raise Refused("{name} is a name, but got {got}: give it as text.", name=name, got=kind_of(value))


def checked_shape(shape: object) -> tuple[int, ...] | None:
    """The shape of one item, None where it is not given; raises Refused."""
    if shape is None:
        return None
    sizes = shape if isinstance(shape, tuple | list) else ()
    right = [s for s in sizes if not isinstance(s, bool) and isinstance(s, Integral) and int(s) > 0]
    if not sizes or len(right) < len(sizes):
        raise Refused(
            "input_shape is a tuple of whole numbers above 0, but got {got}: write the shape of one item, "
            "as in (1, 28, 28) or (30,).",
            got=shortened(shape),
        )
    return tuple(map(int, right))


def checked_factory(factory: object) -> str | None:
    """The name of a function, None where it is not given; raises Refused where it is no text."""
    if factory is None or isinstance(factory, str):
        return factory
    raise Refused(
        "factory is text, 'package.module:function', but got {got}: give the name of the function.",
        got=kind_of(factory),
    )


def checked_classes(classes: object) -> tuple[str, ...] | None:
    """Names in the order of the outputs, None where there are none; raises Refused.

    The order of a mapping or a set is not that of the outputs, and an iterator is empty the second time.
    """
    if classes is None:
        return None
    if not isinstance(classes, list | tuple):
        raise Refused(
            "classes is a list or tuple of names, one for each output in their order, but got {got}: "
            "write it as in ['cat', 'dog'].",
            got=kind_of(classes),
        )
    for name in classes:
        if not isinstance(name, str):
            raise Refused(
                "classes holds {got}, but each name must be text: write it as in ['cat', 'dog'].",
                got=shortened(name),
            )
    return tuple(classes)
