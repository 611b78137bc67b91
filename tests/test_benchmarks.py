"""Every benchmark runs, and its two sides reach the same result; nothing here looks at a clock."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from benchmarks import groups, studies
from benchmarks.clock import Case, Held, Limit, Side, Timed, assert_agree
from benchmarks.networks import FULL, TINY, ResNet50, resnet50
from benchmarks.srigl_speed import GONE, forms_of, matrix_of
from benchmarks.table import line_of
from benchmarks.trained_models import pooled_text, right
from benchmarks.visitor import sparsity_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.packing.beforehand import compile_beforehand
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import recording_of
from compress_core.measure.behavior.replay import record, replay
from compress_core.measure.speed.rounds import Spread
from compress_core.recipe.reading import read_recipe
from tests.forked_call import processes_are_forks
from tests.served import served_to_a_crowd
from tests.subjects import loaded_sample

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _what_packs_is_there() -> None:
    """Compiled code, or what is left of its making, in the heap of the first one that packs."""
    compile_beforehand()


@pytest.fixture(autouse=True)
def _what_is_imported_is_no_garbage(_what_packs_is_there: None) -> None:
    """Garbage is collected before each step that is measured: that need not look through torch each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _processes_are_forks() -> Iterator[None]:
    with processes_are_forks():
        yield


COMPARED = ("pruning", "quantizing", "ranks", "structured", "finding", "reading", "answers", "execution")


@pytest.mark.parametrize("group", COMPARED)
def test_both_sides_of_every_comparison_agree(group: str) -> None:
    compared = 0
    for case in groups()[group](TINY):
        if isinstance(case, Limit):
            assert case.run() >= 0
            continue
        assert_agree(case)
        compared += 1
    assert compared


def test_sides_that_differ_are_noticed() -> None:
    case = Case(
        "made up", Side("one", torch.tensor), Side("other", lambda turn: torch.tensor(turn + 1)), torch.equal
    )
    with pytest.raises(AssertionError, match="made up: the two sides do not agree"):
        assert_agree(case)


def test_pages_are_measured_with_many_layers_and_the_largest_sample_model() -> None:
    tune, moved = itertools.islice(groups()["pages"](TINY), 2)
    assert isinstance(tune, Limit)
    assert isinstance(moved, Limit)
    assert tune.limit == 300
    assert tune.run() > 0
    assert moved.run() > 0


def test_network_has_the_weights_of_a_resnet_50() -> None:
    with torch.device("meta"):
        network = ResNet50(FULL.width)
    assert sum(p.numel() for p in network.parameters()) == 25_557_032


def test_late_change_is_answered_from_whole_blocks_though_they_end_in_place() -> None:
    subject = resnet50(TINY)
    recording = recording_of(subject, subject.split("validation"), Store())
    cut = recording.cut_for(["layer4.2.conv2.weight"])
    assert cut is not None
    assert {("layer1", 0), ("layer2", 0), ("layer3", 0), ("layer4.1", 0)} <= set(cut.answered)


def test_slider_visits_another_place_at_every_turn() -> None:
    places = [sparsity_of(turn) for turn in range(800)]
    assert len(set(places)) == 800
    assert min(places) >= 0.1
    assert max(places) < 0.9


def test_lines_say_whether_goals_and_limits_were_reached() -> None:
    same = Side("peer", int)
    one, ten = Spread(1, 1, 1), Spread(10, 9, 11)
    unsure = Timed(Case("slider", same, same, torch.equal, goal=10), ten, one, ten)
    assert line_of(unsure).endswith("| undecided |")
    slow = Timed(Case("slider", same, same, torch.equal, goal=40), ten, one, ten)
    assert line_of(slow).endswith("| >= 40.0x | NO |")
    assert line_of(Held(Limit("page", "ms", float, 300), ten)).endswith("| <= 300 ms | yes |")


class _ChangedInVain(nn.Module):
    """Its second layer runs and changes nothing of what it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.used(x)
        self.idle(x)
        return logits


def test_change_without_effect_is_answered_with_real_outputs() -> None:
    network, items = _ChangedInVain().eval().requires_grad_(requires_grad=False), torch.randn(5, 4)
    recording = record(network, [items], ["used.weight", "idle.weight"], 2**20)
    assert torch.equal(replay(network, recording, ["idle.weight"])[0], network(items))


@pytest.mark.parametrize("study", sorted(studies()))
def test_every_study_prints_a_table(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.classroom.served", served_to_a_crowd)
    printed = list(studies()[study](TINY))
    assert printed[1].startswith("| --- ")
    assert len(printed) > 3


@pytest.mark.parametrize("gone", [0.0, GONE])
def test_forms_of_a_layer_with_rows_of_one_length_agree_and_are_as_sparse_as_they_say(gone: float) -> None:
    layer = loaded_sample("lenet300").layer("fc2")
    matrix = matrix_of(layer, gone)
    lengths = matrix.count_nonzero(dim=1)
    assert len(lengths[lengths > 0].unique()) == 1
    assert int((lengths > 0).sum()) == round(layer.rows * (1 - gone))
    assert float((matrix == 0).float().mean()) == pytest.approx(0.9, abs=2e-3)
    bias, items = torch.randn(layer.rows), torch.randn(3, layer.columns)
    forms = forms_of(matrix, bias)
    for name, form in forms.items():
        assert torch.allclose(form(items), forms["dense"](items), atol=1e-4), name
    assert ("gathered rows, dense" in forms) == (gone > 0)


def test_an_item_counts_once_with_the_share_of_the_seeds_that_answer_it_rightly() -> None:
    subject, store = loaded_sample("tabular"), Store()
    recipe = read_recipe("layers: [{match: fc1, steps: [{technique: magnitude, sparsity: 0.97}]}]")
    models = [Model.original(subject), compress(subject, recipe, store)]
    one, other = (right([model], "test", FULL, store) for model in models)
    both = right(models, "test", FULL, store)
    assert both.tolist() == ((one + other) / 2).tolist()
    assert len(both) == len(subject.split("test"))
    assert set(both) == {0.5, 1.0} | ({0.0} if 0.0 in both else set())
    alone, twice = (pooled_text(values) for values in (one, (one + one) / 2))
    assert alone == twice, "a second seed that answers alike makes nothing surer"
