"""Knobs as a function's signature declares them: checked values, and what is wrong with others in a sentence.

A technique and a training method are pure functions whose keyword-only arguments are their knobs. What such
a function says of itself stands in its docstring: what it does, then shapes and units, last its source.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from annotated_types import Gt, Lt
from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticKnownError

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.knobs import FINEST, SliderStep, Strict, Unit
from compress_core.foundation.texts import Phrase

Knobs = TypeVar("Knobs", bound=BaseModel)


def knobs_of(function: Callable[..., Any], base: type[BaseModel] = Strict) -> type[BaseModel]:
    """The keyword-only arguments of a function as a model; base has what all of its kind share."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    fields: dict[str, Any] = {
        p.name: (hints[p.name], ... if p.default is p.empty else p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    }
    name = getattr(function, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
    return create_model(name, __base__=base, **fields)


def told(doc: str) -> tuple[str, str, str]:
    """Docstring -> what a visitor reads, shapes and invariants, the source."""
    paragraphs = [" ".join(part.split()) for part in doc.split("\n\n") if part.strip()]
    assert len(paragraphs) >= 2, "it says what it does and where it comes from"
    return paragraphs[0], " ".join(paragraphs[1:-1]), paragraphs[-1]


def checked_knobs(name: str, declared: type[Knobs], values: Mapping[str, object]) -> Knobs:
    """Knob values checked against the declaration; raises Refused with one sentence that begins with name."""
    try:
        return declared.model_validate(dict(values))
    except ValidationError as error:
        raise _refusal(name, declared, error) from None


def validated(name: str, declared: type[Knobs], values: Mapping[str, object]) -> Knobs:
    """Knob values as `checked_knobs` gives them, real ones rounded as recipes hold them."""
    knobs = checked_knobs(name, declared, values)
    snapped: dict[str, Any] = {k: _snapped(declared.model_fields[k], v) for k, v in knobs}
    return declared.model_construct(**snapped)


def _snapped(field: FieldInfo, value: object) -> object:
    """A real value without the noise of its last digits; beside an excluded bound it moves inside."""
    if not isinstance(value, float):
        return value
    place = round(value / FINEST)
    for bound in field.metadata:
        match bound:
            case Gt(gt=float() | int() as limit) if place * FINEST <= limit:
                place += 1
            case Lt(lt=float() | int() as limit) if place * FINEST >= limit:
                place -= 1
    return round(place * FINEST, 10)


def slider_step(field: FieldInfo) -> float | None:
    """The step of a real knob, None where it has none."""
    return next((m.size for m in field.metadata if isinstance(m, SliderStep)), None)


def unit_of(field: FieldInfo) -> str:
    """The unit of a knob, empty where it has none."""
    return next((m.symbol for m in field.metadata if isinstance(m, Unit)), "")


def _refusal(name: str, declared: type[BaseModel], error: ValidationError) -> Refused:
    first = error.errors()[0]
    knob = ".".join(str(part) for part in first["loc"]) or name
    if first["type"] == "extra_forbidden":
        return Refused(
            "{technique} has no knob {knob}; it has {known}: correct the name or leave it out.",
            technique=name,
            knob=knob,
            known=", ".join(declared.model_fields) or Phrase("none"),
        )
    if first["type"] == "missing":
        return Refused("{technique} needs the knob {knob}: add it.", technique=name, knob=knob)
    if first["type"] == "value_error" and not first["loc"]:
        return Refused("{technique}: {reason}.", technique=name, reason=first["ctx"]["error"])
    return Refused(
        "{technique}: {knob} got {got}, but {must}: change the value.",
        technique=name,
        knob=knob,
        got=shortened(first["input"]),
        must=_must(declared, first),
    )


def _must(declared: type[BaseModel], error: ErrorDetails) -> str | ValueError:
    """What a value must be, in words."""
    if error["type"] == "value_error":
        problem: ValueError = error["ctx"]["error"]
        return problem
    field = declared.model_fields.get(str(error["loc"][0]))
    if error["type"] == "string_pattern_mismatch" and field is not None and field.examples:
        return Phrase("it must look like one of {examples}", examples=", ".join(map(str, field.examples)))
    limits = error.get("ctx", {})
    return Phrase(
        constraint_text(error["type"], limits), **{name: _limit(value) for name, value in limits.items()}
    )


def constraint_text(kind: str, limits: Mapping[str, Any]) -> str:
    """What pydantic says of a value that breaks a constraint of this kind, as a template."""
    text = PydanticKnownError(typing.cast("Any", kind), dict(limits) or None).message_template
    return text[0].lower() + text[1:]


def _limit(value: object) -> object:
    match value:
        case float():
            return f"{value:g}"
        case str() if " or " in value:
            others, _or, last = value.rpartition(" or ")
            return Phrase("{others} or {last}", others=others, last=last)
        case _:
            return value
