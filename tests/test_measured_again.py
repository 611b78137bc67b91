"""Times are measured again when somebody wishes so, and a network in bfloat16 has its original beside it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.jobs.info import Info, State
from compress_core.measure.cost.energy import energy_costs
from compress_core.measure.speed.runtime import TimedModel, runtimes
from compress_core.recipe.values import Step
from dashboard import job_panel
from dashboard.deploy import job_results
from dashboard.deploy.work import work_frame
from tests.subjects import mlp_subject, rules, seeded, tiny_subject


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, State]:
    """How jobs stand, by key; every other one is unknown."""
    known: dict[str, State] = {}
    monkeypatch.setattr(job_panel, "info", lambda key: Info(key, known.get(key, State.UNKNOWN)))
    return known


def model() -> Model:
    return compress(mlp_subject(), rules(fc1=Step.of("magnitude", sparsity=0.5)), Store())


def test_after_a_measurement_the_button_starts_another_one(states: dict[str, State]) -> None:
    made = model()
    keys = []
    for _ in range(3):
        work = job_results.next_latency_job(made)
        assert work.can_start
        assert work.job.key not in keys
        keys.append(work.job.key)
        states[work.job.key] = State.DONE
        assert job_results.latency_job(made).job.key == keys[-1], "the newest one is shown"
    assert job_results.times_measured(made) == 3


@pytest.mark.parametrize("state", [State.RUNNING, State.QUEUED])
def test_while_it_is_measured_again_the_last_times_stay(states: dict[str, State], state: State) -> None:
    made = model()
    first = job_results.next_latency_job(made).job.key
    states[first] = State.DONE
    second = job_results.next_latency_job(made)
    states[second.job.key] = state
    assert job_results.latency_job(made).job.key == first
    assert not job_results.next_latency_job(made).can_start


def test_a_measurement_that_failed_can_be_started_once_more(states: dict[str, State]) -> None:
    made = model()
    first = job_results.next_latency_job(made).job.key
    states[first] = State.FAILED
    assert job_results.next_latency_job(made).job.key == first
    assert job_results.next_latency_job(made).can_start


def test_every_runtime_that_runs_an_original_compares_with_one_that_is_measured() -> None:
    made = model()
    sides = [TimedModel(whose, made, made.network(), Store()) for whose in ("original", "compressed")]
    found = runtimes()
    measured = {name for name, one in found.items() if "original" in {s.whose for s in one.takes(sides)}}
    assert {one.base for one in found.values()} <= measured
    assert found["torch_bf16"].base == "torch_bf16" in measured


class Paired(nn.Module):
    """A bilinear layer, whose products nobody can count, between two that are known."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Bilinear(4, 4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.a(x))
        return self.c(self.b(hidden, hidden))


def test_multiplications_that_cannot_be_counted_say_why() -> None:
    costs = energy_costs(Model.original(tiny_subject(seeded(Paired()), (6,))), Store())
    cells = work_frame(costs, costs).iloc[0, 1:].tolist()
    assert all(cell.startswith("not counted: ") and "trilinear" in cell for cell in cells), cells
