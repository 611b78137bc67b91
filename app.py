"""Slimscope: see what compression does to a neural network while you do it.

Streamlit runs this file as `__main__` for every visitor; the server imports it once, for what it serves.
"""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import (
    class_entry,
    early_clicks,
    engine,
    group_search,
    header,
    hearing,
    page_address,
    page_files,
    page_style,
    seen_run,
    stale_widgets,
    state,
)
from dashboard.caretaker import caretaking
from dashboard.language import remember_language
from dashboard.learn.classroom.open_class import CLASS
from dashboard.link_limits import LIMITS
from dashboard.page_runs import PAGE_RUNS
from dashboard.serving import give_main_back
from dashboard.show import refusals
from dashboard.text import refusal
from dashboard.visitor import remember_visitor
from dashboard.way_back import ask_again_after_a_restart, one_entry_a_page
from dashboard.web_guards import guards

if __name__ == "__main__":
    give_main_back()
    early_clicks.note()
    st.set_page_config(
        page_title="Slimscope", page_icon=str(engine.ICON), layout="wide", menu_items={"about": "Slimscope"}
    )
    remember_language()
    if not class_entry.is_open():
        st.stop()
    engine.warming_up()
    state.bring_back_notice()
    try:
        page_address.read()
    except Refused as refused:
        page_address.forget()
        state.notice(refusal(refused))  # a page without a model sends on to Start: it has to outlive that

    group_search.do_what_waits()
    for choice in (CLASS, *LIMITS):  # whichever page is loaded anew
        choice.keep()
    page = st.navigation(page_files.navigation(), position="top")
    if page_files.waits(page.url_path):  # Start and Learn are painted meanwhile
        engine.warm()
    page_style.draw()
    one_entry_a_page()
    ask_again_after_a_restart()
    with PAGE_RUNS.running():
        fill_in_numbers = header.draw(is_of_model=page_files.is_of_model(page.url_path))
        with refusals():
            page.run()
        seen_run.mark()
        page_address.write()
        header.footer()
        remember_visitor()
        fill_in_numbers()
    state.notice_was_told()
    stale_widgets.forget()
    hearing.forget()
    early_clicks.do()
else:
    app = st.App(__file__, middleware=guards(), lifespan=caretaking)
