"""What is not as it must be in a class is noted, so that a table of waits does not hide it."""

from __future__ import annotations

from benchmarks.classroom_visits import ClassVisits


def test_a_class_in_which_somebody_is_missing_is_not_said_to_be_right() -> None:
    seen = ClassVisits(server=0)
    seen.expect("29", "30", "committed")
    seen.expect("30", "30", "joined")
    assert seen.faults == ["committed: '29', not '30'"]


def test_waits_are_told_by_what_was_done() -> None:
    seen = ClassVisits(server=0, waits=[("opens", 0.5), ("commits", 0.1), ("opens", 0.7)])
    assert seen.of("opens") == [0.5, 0.7]
    assert seen.of("opens", "commits") == [0.5, 0.1, 0.7]
