"""The address that a link to this page begins with, as others reach it, and the key that lets them in."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from compress_core.face.class_key import KEY
from compress_core.face.network_addresses import is_of_this_machine
from dashboard.class_door import ClassDoor, class_door
from dashboard.text import _


def link_to(said: Mapping[str, str], page: str | None = None) -> str:
    """A link that says this, to the page that is shown or to another one of the same server."""
    door = class_door()
    shown = st.context.url or ""
    query = urlencode({**said, **({} if door is None else {KEY: door.key})})
    return f"{link_start(shown, page, door)}?{query}"


def link_start(shown: str, page: str | None, door: ClassDoor | None) -> str:
    """The address of a page; of a class, where whoever looks at it came by this machine's own address."""
    address = urlsplit(shown)
    if door is not None and door.addresses and is_only_ours(shown):
        address = address._replace(netloc=urlsplit(door.addresses[0]).netloc)
    path = address.path if page is None else f"{address.path.rpartition('/')[0]}/{page}"
    return urlunsplit((address.scheme, address.netloc, path, "", ""))


def say_how_to_serve(link: str, model: str = "") -> None:
    """Where a link leads every machine to itself: that nobody else can open it, and how a class gets one."""
    if not is_only_ours(link):
        return
    if class_door() is not None:
        st.caption(
            _(
                "Its address is only this machine's: nobody else can open it. Connect the machine to a "
                "network, then serve the class again, without `--host`."
            )
        )
        return
    st.caption(
        _(
            "Its address is only this machine's: nobody else can open it. To let a class in, type this "
            "in a terminal, and take the link from the page that opens:"
        )
    )
    st.code(" ".join(["slimscope open", *filter(None, [model]), "--class"]), language=None)


def is_only_ours(address: str) -> bool:
    """Whether a link that begins so leads every machine to itself."""
    return is_of_this_machine(urlsplit(address).hostname or "")
