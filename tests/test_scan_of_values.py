"""What real numbers bear does not depend on the unit in which they are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.decide.family import Family
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_words import level_of
from compress_core.decide.sensitivity import ScanPoint
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import evaluate, predict
from compress_core.measure.behavior.metrics.kl import NO_SPREAD, kl
from compress_core.measure.behavior.predictions import Predictions
from compress_core.recipe.reading import read_recipe
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.subject import Subject

PRUNED = "layers: [{match: a, steps: [{technique: magnitude, sparsity: 0.7}]}]"
UNITS = (1.0, 1000.0, 0.001)


class Priced(nn.Module):
    """Two layers, [N, 8] -> [N, 2], answers in a unit."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.a, self.b = nn.Linear(8, 32), nn.Linear(32, 2)
        with torch.no_grad():
            self.b.weight.mul_(unit)
            self.b.bias.mul_(unit)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.b(torch.relu(self.a(x)))
        return answer


@torch.no_grad()
def priced(unit: float) -> Subject:
    x = np.random.default_rng(1).normal(size=(700, 8)).astype(np.float32)
    network = Priced(unit).eval()
    return subject_from_network(network, checked_items(x, network(torch.from_numpy(x)).numpy()), "priced")


def points(unit: float) -> list[ScanPoint]:
    plan = ScanPlan(points=3, sample=60, families=(Family.BITS, Family.PRUNE))
    found = result_of(scan(Model.original(priced(unit)), plan, Store()))
    return [point for curve in found.curves for point in curve.points]


def of_values(answers: list[list[float]]) -> Predictions:
    return Predictions(np.array(answers, np.float32), None, "validation", "items", "m", AnswerKind.VALUES)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS[1:])
def test_a_scan_says_the_same_words_and_numbers_in_another_unit(unit: float) -> None:
    usual, found = points(1.0), points(unit)
    assert [p.kl.value for p in found] == pytest.approx([p.kl.value for p in usual], rel=1e-3)
    words = [level_of(p.kl.value or 0.0) for p in found]
    assert words == [level_of(p.kl.value or 0.0) for p in usual]
    assert len(set(words)) > 1


@pytest.mark.slow
def test_what_was_scanned_in_parts_is_the_divergence_of_all_items() -> None:
    subject, store = priced(1.0), Store()
    plan = ScanPlan(points=2, sample=60, families=(Family.BITS, Family.PRUNE))
    found = result_of(scan(Model.original(subject), plan, store))
    of_all = [p for c in found.curves for p in c.points if p.kl.n == len(subject.split("validation"))]
    assert of_all
    before = predict(Model.original(subject), subject.split("validation"), store)
    for point in of_all:
        recipe = f"layers: [{{match: {point.place}, steps: [{point.steps[0].as_json()}]}}]"
        model = compress(subject, read_recipe(recipe), store)
        assert point.kl.value == pytest.approx(
            kl(before, predict(model, subject.split("validation"), store)).value, rel=1e-5
        )


@pytest.mark.parametrize("unit", UNITS[1:])
def test_the_divergence_of_a_model_is_the_same_in_another_unit(unit: float) -> None:
    found = []
    for each in (1.0, unit):
        subject = priced(each)
        model = compress(subject, read_recipe(PRUNED), Store())
        found.append(evaluate(model, subject.split("validation"), Store())["kl"].value)
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_the_divergence_is_that_of_two_normal_distributions() -> None:
    """0 and 2 have a variance of 1; one of them moves by 1, which is 1/4 nat on average, as torch says."""
    before, after = of_values([[0.0], [2.0]]), of_values([[1.0], [2.0]])
    normal = torch.distributions.Normal
    one, other = (normal(torch.from_numpy(np.array(p.logits)), 1.0) for p in (before, after))
    assert kl(before, after).value == 0.25
    assert kl(before, after).value == float(torch.distributions.kl_divergence(one, other).mean())


def test_a_shift_of_answers_that_were_all_alike_is_not_measured() -> None:
    before = of_values([[3.0, 1.0], [3.0, 2.0]])
    assert kl(before, of_values([[3.5, 1.0], [3.0, 2.0]])).reason == NO_SPREAD
    assert kl(before, of_values([[3.0, 1.5], [3.0, 2.0]])).value == pytest.approx(0.25)


@pytest.mark.slow
def test_the_table_of_the_command_says_what_its_divergence_is(tmp_path: Path) -> None:
    folder, network = tmp_path, Priced(1.0)
    save_file(network.state_dict(), folder / "priced.safetensors")
    x = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    np.savez(folder / "priced.npz", inputs=x, labels=network(torch.from_numpy(x)).detach().numpy())
    told = ["scan", str(folder / "priced.safetensors"), "--data", str(folder / "priced.npz"), "--points", "1"]
    found = CliRunner().invoke(app, [*told, "--families", "bits"], prog_name="slimscope")
    assert found.exit_code == 0, found.output
    assert "two normal distributions about both answers, with the variance" in found.output
