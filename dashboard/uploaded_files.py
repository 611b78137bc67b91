"""Files that a visitor hands over: how large they may be, and how their memory is given back."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

MOST_MEGABYTES = 64


def just_given(key: str) -> UploadedFile | None:
    """The file that a box was given; None where there is none, or one that was read and let go before.

    Streamlit tells of such a one again at the next action.
    """
    file = st.session_state[key]
    return file if isinstance(file, UploadedFile) else None


def let_go(*files: UploadedFile | None) -> None:
    """Drop files that were read: Streamlit would keep them as long as the session, and longer."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in filter(None, files):
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
