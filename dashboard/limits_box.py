"""The limits of a link on the page: what it hides and locks in words, the way out, and choosing them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import streamlit as st

from dashboard.link_limits import BETWEEN, CONTROLS, LimitedControl, LinkLimits, leave_limits
from dashboard.text import _, literal

_LOCK = ":material/lock:"
_MOST_NAMED, _MOST_LETTERS = 5, 40


def draw_limits(
    found: LinkLimits, controls: Mapping[str, LimitedControl], layers: Collection[str] = ()
) -> None:
    """A box that says what the link limits on this page, with the way out of it; nothing where nothing is."""
    sentences = [*_sentences(found, controls, layers)]
    if not sentences:
        return
    with st.popover(_("Limited by its link"), icon=_LOCK, key="slimscope_limits", width="content"):
        for sentence in sentences:
            st.markdown(sentence)
        st.button(
            _("Open without the link's limits"),
            icon=":material/lock_open:",
            key="slimscope.limits.leave",
            on_click=leave_limits,
        )


def _sentences(
    found: LinkLimits, controls: Mapping[str, LimitedControl], layers: Collection[str]
) -> Iterator[str]:
    for names, said in ((found.hidden, _("Hidden: {names}.")), (found.locked, _("Locked: {names}."))):
        here = [_(control.title) for name, control in controls.items() if name in names]
        if here:
            yield said.format(names=", ".join(here))
    if found.held(layers):
        free = ", ".join(layer for layer in layers if layer in found.free)
        yield _("Layers that can be changed: {names}.").format(names=literal(free))
    yield from _passed_over(found, layers)


def _passed_over(found: LinkLimits, layers: Collection[str]) -> Iterator[str]:
    """What the link named in vain, and what it may name instead."""
    if found.unknown:
        said = _(
            "The link hides or locks {names}, which cannot be: it is passed over. `hide=` may name {hides}; "
            "`lock=` may name {locks}."
        )
        yield said.format(
            names=_quoted(found.unknown),
            hides=", ".join(f"`{name}`" for name, control in CONTROLS.items() if control.hides),
            locks=", ".join(f"`{name}`" for name, control in CONTROLS.items() if control.locks),
        )
    strange = sorted(found.free - {*layers}) if layers else []
    if strange:
        said = _("The link sets {names} free, and no layer here is called so: it is passed over.")
        yield said.format(names=_quoted(strange))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"“{literal(name[:_MOST_LETTERS])}”" for name in names[:_MOST_NAMED])


def locked_note() -> None:
    """Beside a control that the link locked: that it did."""
    st.caption(f"{_LOCK} {_('Locked by the link')}")


def choose_limits(controls: Mapping[str, LimitedControl], layers: Collection[str] = ()) -> LinkLimits:
    """Let somebody who builds a link choose its limits; layers: of the model, where some may be set free."""
    hidden = _several(_("Hidden"), {n: c for n, c in controls.items() if c.hides}, "link.hide")
    seen = {name: control for name, control in controls.items() if control.locks and name not in hidden}
    locked = _several(_("Locked"), seen, "link.lock")
    free = _free(layers) if layers else []
    return LinkLimits(frozenset(hidden), frozenset(locked), frozenset(free))


def _several(title: str, offered: Mapping[str, LimitedControl], key: str) -> list[str]:
    return st.multiselect(
        title,
        list(offered),
        format_func=lambda name: _(offered[name].title),
        key=key,
        placeholder=_("nothing"),
    )


def _free(layers: Collection[str]) -> list[str]:
    return st.multiselect(
        _("Layers that can be changed"),
        [layer for layer in layers if BETWEEN not in layer],
        key="link.free",
        placeholder=_("all of them"),
    )
