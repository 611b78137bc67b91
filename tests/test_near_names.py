"""Did you mean: the nearest name, whatever its case; else the names there are."""

from __future__ import annotations

import pytest

from compress_core.foundation.near_names import MOST_LISTED, near_names

KNOWN = ("magnitude", "wanda", "fc1", "FC2")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("magnitud", "did you mean magnitude"),
        ("MAGNITUDE", "did you mean magnitude"),
        ("FC1", "did you mean fc1"),
        ("fc2", "did you mean FC2"),
        ("zzz", "choose one of magnitude, wanda, fc1, FC2"),
        ("", "choose one of magnitude, wanda, fc1, FC2"),
    ],
)
def test_the_nearest_name_is_said_or_all_of_them(name: str, said: str) -> None:
    assert near_names(name, KNOWN) == said


def test_of_very_many_names_some_are_listed() -> None:
    said = near_names("?", [f"layer{i}" for i in range(1000)])
    assert said.count(",") == MOST_LISTED
    assert said.endswith("…")
