"""Pages in a test as a server knows them."""

from __future__ import annotations

from typing import Any

from streamlit.runtime.pages_manager import PagesManager


class Navigated(PagesManager):
    """Pages as a server knows them once st.navigation ran; AppTest forgets it before every run."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        PagesManager.uses_pages_directory = False
        super().__init__(*arguments, **named)
