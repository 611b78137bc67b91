"""What a reviewer decides, checked: one of three words, signed and dated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from compress_core.foundation.errors import Refused
from compress_core.foundation.frozen_json import as_plain, from_plain
from compress_core.foundation.store import digest
from compress_core.foundation.texts import Phrase
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.reviews.findings import Decision, Review
from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.model_files import signed_for
from compress_core.reviews.report_words import VERDICTS

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


def refuse_without_reason(review: Review, decision: Decision) -> None:
    """Raise Refused where a model is approved that did not pass, and no notes say why."""
    if decision.decision == "approve" and review.verdict is not Outcome.PASS and not decision.notes.strip():
        raise Refused(
            "The verdict is {verdict}: an approval against it needs its reason, write it into the notes.",
            verdict=Phrase(VERDICTS[review.verdict]),
        )


def sign(workspace: Workspace, visitor: str, review: Review, decision: Decision) -> None:
    """Keep a decision on a review and on the files that it lists; earlier ones stay.

    Raises Refused where nothing was decided, where an approval lacks its reason, and where the disk does not
    take it.
    """
    if not decision.decision:
        raise Refused("Nothing was decided: choose approve, approve with conditions, or reject.")
    refuse_without_reason(review, decision)
    covering = signed_for(replace(review, decision=decision)).decision
    workspace.decisions.add(visitor, _place(review), as_plain(covering))


def signed(workspace: Workspace, visitor: str, review: Review) -> tuple[Decision, ...]:
    """What a visitor decided on this model, on these items, by these gates; the earliest first."""
    return tuple(from_plain(Decision, said) for said in workspace.decisions.of(visitor, _place(review)))


def _place(review: Review) -> str:
    model = review.model
    return digest("decision", model.model, model.items, model.gates_sha)
