"""YAML as recipes need it: plain values only, within stated sizes, nothing that stands for something else.

An alias stands for what it names and a merge key copies it, so that a few lines may mean a gigabyte.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from compress_core.foundation.errors import Refused

MAX_CHARACTERS = 400_000  # a rule takes about a hundred
MAX_VALUES = 40_000
MAX_DEPTH = 16
_OTHERS_THAN_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp", "merge", "value")}
_TEXT = "tag:yaml.org,2002:str"
_NAMES_LIKE_VALUES = {("match", f"tag:yaml.org,2002:{kind}") for kind in ("int", "float", "bool")}


class _Loader(yaml.SafeLoader):
    """Plain YAML in which 2:4 is a pattern, not the number 124 in base 60, and nothing is a date.

    A match is text as it stands: layers are called 3, 1.10 and off.

    What stands twice in a mapping is refused: the first of them would be lost without a word.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One value with all that lies in it, counted before it is made."""
        _check_plain(self.peek_event())  # type: ignore[no-untyped-call]  # its stubs leave it out
        self._values += 1
        self._depth += 1
        if self._values > MAX_VALUES or self._depth > MAX_DEPTH:
            raise Refused(
                "The recipe holds more than {values:,} names and values, or more than {depth} of them inside "
                "each other: a recipe of one model needs fewer, with patterns as in 'conv*'.",
                values=MAX_VALUES,
                depth=MAX_DEPTH,
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a name that is no text is refused below
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} twice", key.start_mark)
            seen.add(str(key.value))
            if isinstance(value, yaml.ScalarNode) and (key.value, value.tag) in _NAMES_LIKE_VALUES:
                value.tag = _TEXT
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OTHERS_THAN_PLAIN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def _check_plain(event: Any) -> None:
    """Refuse what is not written out where it stands."""
    if not isinstance(event, yaml.NodeEvent):
        return
    line = event.start_mark.line + 1 if event.start_mark else 0
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise Refused(
            "The recipe uses '{sign}{name}' in line {line}: a recipe has no anchors and aliases. "
            "Write the values out where they stand, and put quotes around a name that begins with & or *.",
            sign="*" if isinstance(event, yaml.AliasEvent) else "&",
            name=str(event.anchor)[:60],
            line=line,
        )
    tag: str | None = getattr(event, "tag", None)
    if tag is not None:
        raise Refused(
            "The recipe uses the tag '{tag}' in line {line}: a recipe has plain values only. "
            "Leave the tag out, and put quotes around a name that begins with !.",
            tag=tag[:60],
            line=line,
        )


def plain_values(text: str) -> object:
    """The values that YAML or JSON text writes out, None for an empty one; raises Refused."""
    if len(text) > MAX_CHARACTERS:
        raise Refused(
            "The recipe has {got:,} characters; at most {most:,} are read. Use patterns, as in 'conv*', "
            "instead of a rule for each layer.",
            got=len(text),
            most=MAX_CHARACTERS,
        )
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except Refused:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Refused("The recipe is not valid YAML ({reason}): correct that place.", reason=reason) from None
