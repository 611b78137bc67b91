"""Gates: what a file may say, what of it is refused where, and when its hash changes."""

from __future__ import annotations

import pytest
import yaml

from compress_core.foundation.errors import Refused
from compress_core.reviews.gate import Gate, Gates
from compress_core.reviews.gate_file import MOST_BYTES, read_gates, ready_made_gates
from compress_core.reviews.measure import review_measures

TWO = """
title: Before the release
gates:
- {measure: accuracy_change, limit: -0.5, reason: agreed with the owner}
- measure: churn
  limit: 0.02
  required: false
"""


def test_a_file_says_measure_limit_whether_it_is_required_and_why() -> None:
    first, second = read_gates(TWO).gates
    assert first == Gate(measure="accuracy_change", limit=-0.5, reason="agreed with the owner")
    assert (second.limit, second.required) == (0.02, False)


@pytest.mark.parametrize("text", ["", "# nothing yet", "gates: []", "{}"])
def test_a_file_without_gates_is_read_as_one(text: str) -> None:
    assert read_gates(text) == Gates()


def test_the_hash_follows_what_is_said_and_not_how_it_is_written() -> None:
    gates = read_gates(TWO)
    assert read_gates(yaml.safe_dump(gates.as_json())).sha == gates.sha
    assert read_gates("conditions: {seed: 0}\n" + TWO).sha == gates.sha  # as it is without
    assert len({gates.sha, *(read_gates(TWO.replace(*change)).sha for change in CHANGES)}) == 1 + len(CHANGES)


CHANGES = (
    ("-0.5", "-0.6"),
    ("required: false", "required: true"),
    ("the owner", "nobody"),
    ("churn", "negative_flips"),
    ("title: Before", "conditions: {noise: 0.05}\ntitle: Before"),
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gates: 3", "gates in line 1"),
        ("- 1", "are a mapping"),
        ("gates:\n- measure: churn\n  limit: true", r"gates\.0\.limit in line 3"),
        ("gates:\n- measure: churn\n  limit: 1:30", r"gates\.0\.limit in line 3"),
        ("gates:\n- measure: churn\n  limit: '0.1'", r"gates\.0\.limit in line 3"),
        ("gates:\n- measure: churn\n  limit: .inf", r"gates\.0\.limit in line 3"),
        ("gates:\n- measure: churn\n  limit: 1e999", r"gates\.0\.limit in line 3"),
        ("gates:\n- limit: 1", r"gates\.0\.measure in line 2 .* missing"),
        ("gates:\n- measure: speed\n  limit: 1", "no measure 'speed'; there are accuracy"),
        ("gates:\n- {measure: churn, limit: 1, margin: 2}", r"gates\.0\.margin in line 2 .* no such field"),
        ("gates:\n- measure: churn\n  limit: 1\n  limit: 2", "line 4 .* says limit a second time"),
        ("gates:\n- {measure: churn, limit: 0.1}\n- {measure: churn, limit: 0.2}", "churn stands twice"),
        ("title: &a x", "line 1 .* an anchor"),
        ("title: !!str x", "line 1 .* a tag"),
        ("gates: [[[", "no valid YAML|not valid YAML"),
        ("? [a]\n: 1", "line 1 .* no text"),
        ("a: " + "[" * 12 + "]" * 12, "line 1 .* too deep"),
        ("[" * 60_000, "too deep|not valid YAML"),
        ("x" * (MOST_BYTES + 1), "at most 100,000"),
        ("conditions: {seed: -1}", r"conditions\.seed in line 1"),
        ("conditions: {attribution: tea_leaves}", "no attribution method 'tea_leaves'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_gates(text)


@pytest.mark.parametrize("name", ready_made_gates())
def test_ready_made_gates_are_read_and_say_why(name: str) -> None:
    gates = read_gates(ready_made_gates()[name])
    assert gates.title
    assert all(gate.reason for gate in gates.gates)
    assert any(gate.required for gate in gates.gates)


def test_the_ready_made_classes_keep_99_and_999_of_a_thousand_and_three_tenths_of_a_point() -> None:
    found = {name: read_gates(text).gates[0] for name, text in ready_made_gates().items()}
    assert {name: (gate.measure, gate.limit) for name, gate in found.items()} == {
        "mlperf_99": ("accuracy_kept", 0.99),
        "mlperf_999": ("accuracy_kept", 0.999),
        "non_inferiority": ("accuracy_change", -0.3),
        "values_kept": ("error_growth", 0.05),
        "vectors_kept": ("cosine_to_original", 0.99),
    }


def test_ready_made_gates_that_allow_a_loss_say_so_with_its_margin() -> None:
    gates = read_gates(ready_made_gates()["non_inferiority"])
    assert gates.title == f"Non-inferiority of accuracy, margin {-gates.gates[0].limit:g} points"
    assert not any("no loss" in read_gates(text).title.lower() for text in ready_made_gates().values())


def test_every_metric_with_a_better_side_is_a_measure() -> None:
    known = review_measures()
    assert {"accuracy_change", "churn", "ece", "right_to_wrong"} < set(known)
    assert not {"mcnemar", "confidence_drift"} & set(known)  # neither side of them is better
    assert all(measure.direction in {"higher", "lower"} for measure in known.values())
