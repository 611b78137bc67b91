"""From which files a visitor's model was read, and what was said of them: what a program has to say again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

KEY = "slimscope.model_files"
_FOLDER = ".zip"


@dataclass(frozen=True)
class ModelFiles:
    """The names of two files and the fields beside them, as `compress_core.load` takes them."""

    model: str
    items: str | None = None
    entry: str | None = None
    preprocessing: str | None = None
    label_column: str | None = None
    task: str | None = None

    @property
    def zipped(self) -> str | None:
        """The name of the ZIP of a folder, which has to be unpacked."""
        return self.model if self.model.lower().endswith(_FOLDER) else None

    @property
    def given(self) -> tuple[str, ...]:
        """What is loaded, and on what it is judged."""
        model = self.model if self.zipped is None else self.model[: -len(_FOLDER)]
        return (model,) if self.items is None else (model, self.items)

    @property
    def said(self) -> Mapping[str, str]:
        """What was said beside the files, by the names of the arguments."""
        fields = ("entry", "preprocessing", "label_column", "task")
        return {name: value for name in fields if (value := getattr(self, name))}


def note(model: str, files: ModelFiles) -> None:
    """Remember for this session from which files a model came."""
    st.session_state[KEY] = {**st.session_state.get(KEY, {}), model: files}


def files_of(model: str) -> ModelFiles | None:
    """From which files a model came; None where this session did not read them."""
    known: Mapping[str, ModelFiles] = st.session_state.get(KEY, {})
    return known.get(model)
