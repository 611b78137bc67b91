"""What the reviewer decides, kept with name, notes and date; and the report to take away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.errors import Refused
from compress_core.reviews.decisions import decided, sign, signed
from compress_core.reviews.evidence_files import content_of_report, evidence_zip, page_of
from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.report_words import VERDICTS, WORDS
from dashboard import engine, state
from dashboard.figures.words import in_bytes
from dashboard.lineage_name import lineage_in_file_name
from dashboard.refused_here import notice_beside
from dashboard.text import _, current_language, literal, refusal
from dashboard.visitor import visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamlit.delta_generator import DeltaGenerator

    from compress_core.reviews.findings import Decision, Review
    from dashboard.review.review_job import ReviewOnPage

NAME, WORD, NOTES = "review.reviewer", "review.decision", "review.notes"


def draw(shown: ReviewOnPage) -> None:
    """Left the form, right what stands and the files; of a stale review neither."""
    if shown.is_stale:
        st.caption(_("A stale review is not signed: go to its recipe and gates, or review anew."))
        return
    known = signed(engine.workspace(), visitor(), shown.review)
    form, files = st.columns([1.4, 1], gap="large")
    with form:
        _form(shown.review, known[-1] if known else None)
    with files:
        _standing(known)
        _downloads(
            st.container(), shown, replace(shown.review, decision=known[-1]) if known else shown.review
        )


def _words() -> dict[str, str]:
    return {
        "approve": _("Approve"),
        "conditions": _("Approve with conditions"),
        "reject": _("Reject"),
    }


def _own(key: str, review: Review) -> str:
    """The key of a widget for this review alone: a word chosen for one is not there for the next."""
    return f"{key}.{review.model.model[:8]}.{review.model.gates_sha[:8]}"


def _form(review: Review, last: Decision | None) -> None:
    words = _words()
    with st.form("review.form"):
        st.text_input(_("Reviewer"), "" if last is None else last.reviewer, key=NAME, max_chars=200)
        st.segmented_control(
            _("Decision"),
            list(words),
            default=None if last is None else last.decision or None,
            format_func=lambda word: words[word],
            key=_own(WORD, review),
        )
        st.text_area(
            _("Notes, and the conditions where there are some"),
            "" if last is None else last.notes,
            key=_own(NOTES, review),
            height=80,
            max_chars=4000,
        )
        if review.verdict is not Outcome.PASS:
            st.caption(
                _("The verdict is {verdict}: an approval needs its reason in the notes.").format(
                    verdict=_(VERDICTS[review.verdict])
                )
            )
        st.form_submit_button(
            _("Sign"), icon=":material/draw:", on_click=_sign, args=(review,), type="primary"
        )
        notice_beside(WORD)


def _sign(review: Review) -> None:
    """Keep what the form says, with the date; what is refused is said on the next run."""
    keys = (NAME, _own(WORD, review), _own(NOTES, review))
    name, word, notes = (st.session_state.get(key) or "" for key in keys)
    try:
        sign(engine.workspace(), visitor(), review, decided(name, word, notes))
    except Refused as refused:
        state.notice(refusal(refused), beside=WORD)


def _standing(known: Sequence[Decision]) -> None:
    """The decision that stands; how many it replaced."""
    if not known:
        st.markdown(f"**{_(WORDS['undecided_yet'])}**")
        return
    last = known[-1]
    st.markdown(
        _("**{decision}** by {reviewer}, {date}").format(
            decision=_(WORDS[last.decision]), reviewer=literal(last.reviewer), date=literal(last.date)
        )
    )
    if last.notes:
        st.caption(literal(last.notes))
    if len(known) > 1:
        st.caption(_("Earlier decisions that are kept: {count:,}.").format(count=len(known) - 1))


def _downloads(place: DeltaGenerator, shown: ReviewOnPage, review: Review) -> None:
    model, lang = shown.model, current_language()
    stem = re.sub(r"[^\w.-]+", "-", model.subject.name).strip("-.") or "model"
    name = f"{stem}{lineage_in_file_name(model.lineage)}-review"
    kinds: tuple[tuple[str, str, str, Callable[[], str | bytes]], ...] = (
        (_("Report (HTML)"), "html", "text/html", lambda: page_of(review, model, lang)),
        (_("Report (JSON)"), "json", "application/json", lambda: content_of_report(review)),
        (_("Everything (ZIP)"), "zip", "application/zip", lambda: evidence_zip(review, model, lang)),
    )
    for title, ending, kind, content in kinds:
        place.download_button(
            title,
            content,
            f"{name}.{ending}",
            kind,
            key=f"review.download.{ending}",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )
    place.caption(
        _("The ZIP holds both, recipe, gates, packed file and tables. slimscope verify checks the JSON.")
    )
    _files(place, review)
    _made_again(place, review)


def _files(place: DeltaGenerator, review: Review) -> None:
    """The files of the model that the report lists, by which one in hand is known."""
    place.markdown(f"**{_(WORDS['files'])}**")
    for file in review.files or ():
        said = _("{name}, {size}, sha-256 {digest}")
        place.caption(
            said.format(name=literal(file.name), size=in_bytes(file.bytes), digest=f"`{file.sha256}`")
        )
    place.caption(_("A signature covers the files that are listed then: make others on Deploy before it."))


def _made_again(place: DeltaGenerator, review: Review) -> None:
    """The command that makes it again, or why there is none and what does."""
    said = review.circumstances
    place.markdown(f"**{_(WORDS['command'])}**")
    if said.command:
        place.code(said.command, "bash", wrap_lines=True)
    else:
        place.caption(literal(_(said.no_command) or _(WORDS["not_said"])))
