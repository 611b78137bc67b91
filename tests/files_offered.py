"""What the buttons of a page would give to whoever presses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.delta_generator import DeltaGenerator


def offered_from_now_on(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Any]]:
    """What each button for a file would give, by its key; grows as pages are drawn."""
    found: dict[str, Callable[[], Any]] = {}
    original = DeltaGenerator.download_button

    def noted(place: DeltaGenerator, label: str, data: Any, *args: Any, **more: Any) -> bool:
        found[more["key"]] = data
        return original(place, label, data, *args, **more)

    monkeypatch.setattr(DeltaGenerator, "download_button", noted)
    return found
