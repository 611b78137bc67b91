"""Gates as people write them: YAML, checked field by field, refused with the line that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import Phrase
from compress_core.loading.own_file import content_of_file
from compress_core.reviews.gate import Gates
from compress_core.subject.answer_kind import PredictionTask

USUAL = "non_inferiority"
OF_OTHER_TASKS: Mapping[PredictionTask, str] = MappingProxyType(
    {PredictionTask.REGRESSION: "values_kept", PredictionTask.EMBEDDING: "vectors_kept"}
)
"""The ready-made gates of models without classes, of which all others ask for classes."""
MOST_BYTES = 100_000
_MOST_DEPTH = 8
_MOST_DIGITS = 30
_WHOLE = re.compile(rf"[-+]?[0-9]{{1,{_MOST_DIGITS}}}")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_PACKAGE = "compress_core.reviews"
_Keys = tuple[str | int, ...]


def read_gates(text: str) -> Gates:
    """Gates from YAML or JSON text; raises Refused with the line and what to change.

    An empty text is a file without gates, which passes nothing.
    """
    if len(text) > MOST_BYTES:
        raise Refused(
            "The gates have {got:,} characters; at most {most:,} are read: leave out what is not needed.",
            got=len(text),
            most=MOST_BYTES,
        )
    read = _Read()
    content = read.value(_composed(text), ())
    if content is None:
        return Gates()
    if not isinstance(content, Mapping):
        raise Refused(
            "Gates are a mapping with title and gates, but this is a {got}: see the ready-made ones.",
            got=type(content).__name__,
        )
    try:
        return Gates.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise _refusal(error.errors()[0], read.lines) from None


def ready_made_gates() -> Mapping[str, str]:
    """The gates that come along, as YAML text by their names."""
    folder = files(_PACKAGE) / "ready_made"
    found = {Path(each.name).stem: each.read_text("utf-8") for each in folder.iterdir()}
    return dict(sorted(found.items()))


def usual_gates(task: PredictionTask) -> str:
    """The name of the ready-made gates that are meant where nobody says others: all else ask for classes."""
    return OF_OTHER_TASKS.get(task, USUAL)


def gates_named(name: str) -> Gates:
    """Ready-made gates by their name, or those of a YAML file; raises Refused."""
    ready = ready_made_gates()
    if name in ready:
        return read_gates(ready[name])
    return gates_in(content_of_file(Path(name), 4 * MOST_BYTES), name)


def gates_in(content: bytes, name: str) -> Gates:
    """Gates of what a file of this name holds; raises Refused."""
    try:
        return read_gates(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("{path} is no text in UTF-8: gates are a YAML file.", path=name) from None


def gates_noted(content: object) -> Gates:
    """Gates as the workspace notes them, the reverse of `Gates.as_json`; raises Refused for none of ours."""
    try:
        return Gates.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise _refusal(error.errors()[0], {}) from None


def _composed(text: str) -> yaml.Node | None:
    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            _check_written_out(event, depth)
        return yaml.compose(text, yaml.SafeLoader)
    except Refused:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Refused("The gates are not valid YAML ({reason}): correct that place.", reason=reason) from None


def _check_written_out(event: yaml.Event, depth: int) -> None:
    """Refuse what stands for something else than itself, and what lies deeper than gates do."""
    named = getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None
    if named or isinstance(event, yaml.AliasEvent):
        raise Refused(
            "line {line} of the gates uses an anchor, an alias or a tag: write the value out where it is.",
            line=_line(event),
        )
    if depth > _MOST_DEPTH:
        raise Refused(
            "line {line} of the gates lies too deep: gates need no such depth.",
            line=_line(event),
        )


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


@dataclass
class _Read:
    """Plain values of a composed text, and the line of each."""

    lines: dict[_Keys, int] = field(default_factory=dict)

    def value(self, node: yaml.Node | None, place: _Keys) -> Any:
        if node is None:
            return None
        self.lines[place] = node.start_mark.line + 1
        match node:
            case yaml.MappingNode():
                return dict(self._entries(node, place))
            case yaml.SequenceNode():
                return [self.value(each, (*place, index)) for index, each in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _entries(self, node: yaml.MappingNode, place: _Keys) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Refused(
                    "line {line} of the gates has a name that is no text: correct it.",
                    line=key.start_mark.line + 1,
                )
            name = str(key.value)
            if name in seen:
                raise Refused(
                    "line {line} of the gates says {name} a second time: keep one of the two.",
                    line=key.start_mark.line + 1,
                    name=name[:60],
                )
            seen.add(name)
            yield name, self.value(value, (*place, name))

    @staticmethod
    def _scalar(node: yaml.Node) -> Any:
        """A number in decimals, a truth value, nothing, or text as it stands: 1:30 and dates are text."""
        text, kind = str(node.value), node.tag.rpartition(":")[2]
        bare = isinstance(node, yaml.ScalarNode) and node.style is None  # quotes make it text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in {"true", "yes", "on"}
        if bare and _WHOLE.fullmatch(text):
            return int(text)
        return float(text) if bare and _REAL.fullmatch(text) else text


def _refusal(first: ErrorDetails, lines: Mapping[_Keys, int]) -> Refused:
    place = tuple(first["loc"])
    known = next((lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines), 1)
    name = ".".join(str(part) for part in place) or "gates"
    text: object
    match first["type"]:
        case "extra_forbidden":
            text = Phrase("there is no such field")
        case "missing":
            text = Phrase("it is missing")
        case "value_error":
            text = first["ctx"]["error"]
        case _:
            text = Phrase("it got {got}; {must}", got=shortened(first["input"]), must=first["msg"])
    return Refused(
        "{field} in line {line} of the gates: {problem}; correct it.", field=name, line=known, problem=text
    )
