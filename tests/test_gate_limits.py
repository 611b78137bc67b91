"""Limits that no number can reach are refused with what they must be; a verdict says why it is none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.reviews.gate import Gate, Gates
from compress_core.reviews.gate_file import gates_noted, read_gates
from compress_core.reviews.gate_verdict import judged_gate
from compress_core.reviews.limit_range import limit_range
from compress_core.reviews.measure import review_measures
from compress_core.reviews.report_language import speak
from compress_core.reviews.verdict_reason import ONLY_ADVISORY, because
from dashboard.text import use_language

TOO_FAR = [
    ("accuracy", "96", "from 0 to 1, but got 96: 96 % is written 0.96"),
    ("accuracy_kept", "99.9", "99.9 % is written 0.999"),
    ("churn", "-0.01", r"from 0 to 1 \(share\), but got -0.01"),
    ("ece", "101", r"from 0 to 1 \(share\), but got 101"),
    ("attribution_similarity", "1.5", "1.5 % is written 0.015"),
    ("accuracy_change", "-100.5", r"from -100 to 100 \(points\), but got -100.5"),
    ("noise_robustness", "300", r"from -100 to 100 \(points\)"),
    ("subgroup_change", "-1e9", r"from -100 to 100 \(points\)"),
    ("packed_file_bytes", "-1", r"0 or more \(byte\), but got -1"),
    ("right_to_wrong", "-3", r"0 or more \(item\)"),
    ("latency_ms", "-0.5", r"0 or more \(ms\)"),
    ("kl", "-1e-9", r"0 or more \(nat\)"),
]


@pytest.mark.parametrize(("measure", "limit", "said"), TOO_FAR)
def test_a_limit_that_no_number_can_have_is_refused_with_its_line(
    measure: str, limit: str, said: str
) -> None:
    with pytest.raises(
        Refused, match=rf"gates\.0\.limit in line 3 .*the limit of {measure} must be .*{said}"
    ):
        read_gates(f"gates:\n- measure: {measure}\n  limit: {limit}")


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf, True, "0.9", 10**400])
@pytest.mark.parametrize("measure", ["accuracy", "plain_file_bytes", "accuracy_change"])
def test_a_limit_that_is_no_number_is_refused_by_value_too(measure: str, limit: object) -> None:
    with pytest.raises((ValidationError, Refused)):
        Gate.model_validate({"measure": measure, "limit": limit})


@pytest.mark.parametrize("name", review_measures())
def test_every_measure_says_where_a_limit_may_lie_and_takes_both_ends(name: str) -> None:
    measure = review_measures()[name]
    ends = [end for end in measure.limits.as_json() if end is not None]
    assert ends, "a unit without a range would take anything"
    for end in ends:
        assert Gate(measure=name, limit=end).limit == end
    below = math.nextafter(ends[0], -math.inf)
    with pytest.raises(ValidationError):
        Gate(measure=name, limit=below)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_limit_is_taken_exactly_where_its_range_holds_it(limit: float) -> None:
    taken = True
    try:
        Gate(measure="churn", limit=limit)
    except ValidationError:
        taken = False
    assert taken is (limit in limit_range("share"))


def test_a_zero_has_no_sign() -> None:
    one, other = (read_gates(f"gates: [{{measure: churn, limit: {zero}}}]") for zero in ("0", "-0.0"))
    assert one.sha == other.sha
    assert one.in_words(one.gates[0]) == other.in_words(other.gates[0])


def test_gates_that_were_noted_before_limits_had_a_range_are_refused_and_break_nothing() -> None:
    noted = Gates().as_json() | {"gates": [{"measure": "accuracy", "limit": 96}]}
    with pytest.raises(Refused, match=r"96 % is written 0\.96"):
        gates_noted(noted)


UNITS = ["plain_file_bytes", "right_to_wrong", "latency_ms", "kl", "accuracy_change"]


@pytest.mark.parametrize("measure", UNITS)
def test_a_gate_in_chinese_holds_no_english_unit(measure: str) -> None:
    from dashboard.text import _

    gates = Gates(gates=(Gate(measure=measure, limit=3),))
    with use_language("zh"):
        words = _(gates.in_words(gates.gates[0]))
    assert speak("zh")(gates.in_words(gates.gates[0])) == words
    assert not any(sign.isascii() and sign.isalpha() for sign in words.replace("KL", "")), words


ADVISORY = Gate(measure="churn", limit=0.5, required=False)
REQUIRED = Gate(measure="churn", limit=0.5)
HOLDS = Number(0.1, "share", "measured", 0.05, 0.15, 500)


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ((), "There is no gate"),
        ((ADVISORY,), ONLY_ADVISORY),
        ((ADVISORY, ADVISORY), "at least one required gate"),
        ((ADVISORY, REQUIRED), "Every required gate holds"),
    ],
)
def test_a_verdict_without_a_gate_that_decides_says_so(gates: tuple[Gate, ...], said: str) -> None:
    assert said in because([judged_gate(gate, HOLDS) for gate in gates])


def test_an_advisory_gate_that_fails_decides_nothing_and_the_verdict_says_why() -> None:
    broken = Number(0.9, "share", "measured", 0.8, 0.95, 500)
    assert because([judged_gate(ADVISORY, broken)]) == ONLY_ADVISORY
