"""JSON that two readers could take for two things is refused; the same said in another way is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.foundation.strict_json import strictly_read

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_what_was_written_is_read(value: object) -> None:
    assert strictly_read(json.dumps(value).encode()) == value
    assert strictly_read(json.dumps(value, ensure_ascii=True, indent=3).encode("utf-8-sig")) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 1}', "'a' stands twice"),
        ('{"a": {"b": [{"c": 1, "d": 2, "c": 3}]}}', "'c' stands twice"),
        ('{"a": 1, "\\u0061": 2}', "'a' stands twice"),
        ("[NaN]", "NaN is no number"),
        ('{"x": -Infinity}', "-Infinity is no number"),
        ("1e999", "too large"),
        ("[-1e400]", "too large"),
        ("9" * 30, "too large"),
        ("9" * 5000, "too large"),
        (str(2**64), "too large"),
        ("{} {}", "Extra data"),
        ("{}\n// a comment", "Extra data"),
        ("[" * 65 + "]" * 65, "too deep"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "too deep"),
        ("[" * 200_000, "too deep|Expecting"),
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        strictly_read(text.encode())


@pytest.mark.parametrize("content", [b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16"), b"\x00"])
def test_what_is_no_utf_8_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"codec can|Expecting"):
        strictly_read(content)


def test_what_lies_as_deep_as_allowed_is_read_and_order_does_not_matter() -> None:
    assert strictly_read(b"[" * 64 + b"]" * 64)
    assert strictly_read(b'{"b": 1, "a": 2}') == strictly_read(b'{"a": 2, "b": 1}')
