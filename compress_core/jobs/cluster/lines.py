"""What a driver says in its log, among whatever else is printed there: lines of JSON behind a mark.

A result is text as well, in pieces, with a digest at its end: what came cut off, or was changed on its way,
is no result. Needs no torch.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

MARK = "slimscope-said "
PIECE = 2**16
"""Bytes of a result in one line."""

Said = dict[str, Any]


def marked_line(said: Said) -> str:
    """A line of a log."""
    return MARK + json.dumps(said, allow_nan=False)


def result_lines(content: bytes) -> Iterator[Said]:
    """A result in pieces, and what tells that all of it is there."""
    for start in range(0, len(content), PIECE):
        piece = base64.b85encode(content[start : start + PIECE]).decode("ascii")
        yield {"piece": start // PIECE, "content": piece}
    yield {"whole": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def said_in(log: str) -> Iterator[Said]:
    """What a log says, in order; a line that is not whole, or no JSON, says nothing."""
    for line in log.split("\n")[:-1]:
        _, mark, text = line.partition(MARK)
        if not mark:
            continue
        try:
            said = json.loads(text)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield said


class ResultPieces:
    """A result that comes in pieces, each perhaps more than once."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self.content: bytes | None = None

    def take(self, said: Said) -> None:
        """Take a line; `content` is there once all pieces are, and are what was sent."""
        match said:
            case {"piece": int(number), "content": str(text)} if number >= 0:
                try:
                    self._pieces[number] = base64.b85decode(text)
                except ValueError:
                    self._pieces.pop(number, None)
            case {"whole": int(size), "sha256": str(digest)}:
                whole = b"".join(self._pieces[number] for number in sorted(self._pieces))
                if len(whole) == size and hashlib.sha256(whole).hexdigest() == digest:
                    self.content = whole


def rest_of_log(log: str) -> str:
    """The last line of a log that is not one of ours: of a traceback, the one that names the error."""
    lines = [line.strip() for line in log.split("\n") if line.strip() and MARK not in line]
    return lines[-1][:200] if lines else ""
