"""How the visitor wants to train, as the text of a plan, in the session and in the link of Recover."""

from __future__ import annotations

import json

from compress_core.foundation.errors import Refused
from dashboard.shared_choice import SharedChoice

USUAL = '{"epochs":3,"methods":[{"method":"distill"}]}'


def _read(text: str) -> str | None:
    from compress_core.training.plan import parse_plan

    try:
        plan = parse_plan(json.loads(text))
        "".join(step.match for step in plan.steps).encode()  # half of a character is none
    except (Refused, ValueError, RecursionError):  # of a link that nobody's page has written
        return None
    return plan.text


PLAN = SharedChoice("plan", USUAL, _read)


def choose_text(plan: str) -> None:
    """Set the plan of a text; one that is none changes nothing."""
    found = _read(plan)
    if found is not None:
        PLAN.choose(found)
