"""What a reviewer decides, checked: one of three words, signed and dated."""

from __future__ import annotations

from datetime import UTC, datetime

from compress_core.foundation.errors import Refused
from compress_core.reviews.findings import Decision

DECISIONS = ("approve", "reject", "conditions")
_MOST = 4000  # characters


def decided(reviewer: str, decision: str, notes: str, now: datetime | None = None) -> Decision:
    """A decision with its date; one without a name is refused, and so is another word. Raises Refused."""
    if not (reviewer or decision or notes):
        return Decision()
    if decision and decision not in DECISIONS:
        raise Refused(
            "A decision is one of {known}, but got {got!r}: choose one of them.",
            known=", ".join(DECISIONS),
            got=decision[:60],
        )
    if decision and not reviewer.strip():
        raise Refused("A decision needs the name of who decides: add the reviewer.")
    if decision == "conditions" and not notes.strip():
        raise Refused("Approval with conditions needs the conditions: write them into the notes.")
    longest = max(len(reviewer), len(notes))
    if longest > _MOST:
        raise Refused(
            "A name or note has {got:,} characters; at most {most:,} are kept: shorten it.",
            got=longest,
            most=_MOST,
        )
    moment = datetime.now(UTC) if now is None else now
    return Decision(reviewer.strip(), decision, notes.strip(), moment.isoformat(timespec="seconds"))
