"""Links hold recipes and survive anything else."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.foundation.errors import Refused
from dashboard.links import MOST_BYTES, decoded, encoded

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def assert_read_or_refused(text: str) -> None:
    """Whatever comes, the answer is plain values or one sentence; every other error escapes."""
    with contextlib.suppress(Refused):
        assert json.dumps(decoded(text))


@given(st.lists(plain, min_size=1, max_size=5))
def test_what_was_encoded_is_decoded(values: list[object]) -> None:
    assert decoded(encoded(values)) == values


@given(st.text(max_size=200))
def test_any_other_text_is_refused_or_read_but_never_crashes(text: str) -> None:
    assert_read_or_refused(text)


@given(st.binary(max_size=200))
def test_any_deflated_bytes_are_refused_or_read(content: bytes) -> None:
    text = base64.urlsafe_b64encode(zlib.compress(content)).decode()
    assert_read_or_refused(text)


def test_every_cut_link_is_refused() -> None:
    whole = encoded([["fc1", [{"technique": "magnitude", "sparsity": 0.5}]]])
    for length in range(1, len(whole)):
        with pytest.raises(Refused, match="damaged or cut off"):
            decoded(whole[:length])


def test_bomb_is_refused_before_it_unfolds() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(b"[" + b" " * (50 * MOST_BYTES) + b"]", 9)).decode()
    with pytest.raises(Refused, match="damaged"):
        decoded(bomb)


def test_empty_recipe_needs_no_characters() -> None:
    assert encoded([]) == ""
    assert decoded("") is None


def test_a_name_that_stands_twice_in_a_link_is_refused() -> None:
    twice = base64.urlsafe_b64encode(zlib.compress(b'{"layers": [], "layers": []}')).decode()
    with pytest.raises(Refused, match="damaged"):
        decoded(twice)
