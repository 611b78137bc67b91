"""A file that answers differently from the network is told from one that merely rounds, and never written."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from compress_core.cli import app
from compress_core.deliver import onnx_session
from compress_core.deliver.parity import differences, refuse_other_answers
from compress_core.foundation.errors import Refused
from compress_core.measure.behavior.predictions import Predictions

N, CLASSES = 300, 6


def _logits() -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(size=(N, CLASSES)).astype(np.float32) * 4


def _refused(got: NDArray[np.float32], *, is_rounded: bool = True) -> bool:
    try:
        refuse_other_answers(_logits(), got, is_rounded=is_rounded)
    except Refused:
        return True
    return False


@pytest.mark.parametrize("is_rounded", [False, True])
def test_the_order_of_additions_is_no_disagreement(is_rounded: bool) -> None:
    noise = np.random.default_rng(6).normal(size=(N, CLASSES)).astype(np.float32)
    assert not _refused(_logits() + 1e-5 * noise, is_rounded=is_rounded)


def test_a_code_at_a_boundary_may_move_one_item_in_a_hundred_where_inputs_are_rounded() -> None:
    moved = _logits()
    moved[:3] += 3
    assert not _refused(moved)
    assert _refused(moved, is_rounded=False)
    moved[3] += 3
    assert _refused(moved)


def test_a_bias_that_overflowed_is_a_disagreement() -> None:
    wrong = _logits()
    wrong[:, 2] += 1.5
    assert _refused(wrong)


def test_many_changed_classes_are_a_disagreement_however_small_the_difference() -> None:
    expected = np.zeros((N, 2), np.float32)
    expected[:, 0], expected[0] = 0.01, (9, -9)
    got = expected.copy()
    got[10:20, 1] = 0.02
    with pytest.raises(Refused, match="answers differently"):
        refuse_other_answers(expected, got, is_rounded=True)


def test_ties_that_noise_breaks_are_no_disagreement() -> None:
    expected = np.zeros((N, 2), np.float32)
    expected[0] = 9, -9
    refuse_other_answers(expected, expected + np.float32([0, 1e-7]), is_rounded=False)


def test_what_is_no_number_must_be_the_same_in_both() -> None:
    one = np.float32([[np.nan, np.inf], [1, 2], [np.nan, 0]])
    other = np.float32([[np.nan, np.inf], [1, 2.5], [0, 0]])
    assert differences(one, other).tolist() == [0, 0.5, np.inf]


def test_a_common_offset_of_all_outputs_hides_nothing() -> None:
    wrong = _logits() + 1000
    wrong[:, 2] += 1.5
    with pytest.raises(Refused, match=r"on 300 of 300 items .* difference 1\.5"):
        refuse_other_answers(_logits() + 1000, wrong, is_rounded=True)


def test_outputs_of_another_shape_are_refused() -> None:
    with pytest.raises(Refused, match="gives outputs"):
        refuse_other_answers(_logits(), _logits()[:, :-1], is_rounded=True)


@pytest.mark.parametrize("to", ["source", "packed"])
def test_the_command_writes_no_file_that_answers_differently(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = onnx_session.predictions_in_torch

    def wrong(*given: object, **named: object) -> Predictions:
        found = partial(right, *given, **named)()  # type: ignore[arg-type]
        return Predictions(-found.logits, found.labels, found.split, found.items, found.key)

    monkeypatch.setattr(onnx_session, "predictions_in_torch", wrong)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["export", "tabular", "--to", to, "--out", str(out)])
    assert result.exit_code == 2
    assert "answers differently" in result.stderr
    assert not out.exists()
