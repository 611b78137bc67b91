"""Maps are of one place before and after, chance is several draws, and what a map leaves out is shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.explain.attribution import attribute, attributed_in_batches, method_named
from compress_core.measure.explain.explanation import Explanation, explain
from compress_core.measure.explain.feature_place import feature_place_in, last_spatial_place
from compress_core.measure.explain.methods.integrated_gradients import EXACT_ENOUGH, MOST_STEPS, STEPS
from compress_core.measure.explain.random_floor import chance_of
from compress_core.measure.explain.similarity import cosine, pair
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from compress_core.tasks.explain_items import ExplainKnobs, pack, run, unpack
from tests.subjects import seeded


class _Images(nn.Module):
    """Two convolutions with norms and a head; how they are called is up to its children."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.c2, self.b2 = nn.Conv2d(6, 12, 3, padding=1, groups=2), nn.BatchNorm2d(12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.b1(self.c1(x)))
        return self.head(F.gelu(self.b2(input=self.c2(x))).amax((2, 3)))


class _InPlace(_Images):
    """Activations in place behind the norm."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.b1(self.c1(x)))
        return self.head(F.relu_(self.b2(self.c2(x))).mean((2, 3)))


class _NormOutside(nn.Module):
    """The norm stands outside the block that holds the convolution, the sum behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.Identity())
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.head((x + self.norm(self.body(x))).mean((2, 3)))


FOLD = "prepare: [fold_batch_norm]"
PLACES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "at the top": (_Images, "b2"),
    "activation in place": (_InPlace, "b2"),
    "norm outside the block": (_NormOutside, "norm"),
}


def subject_of(network: nn.Module) -> Subject:
    seeded(network)
    generator = torch.Generator().manual_seed(1)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(generator=generator)
            norm.running_var.uniform_(0.3, 3, generator=generator)
            norm.weight.data.normal_(generator=generator)
            norm.bias.data.normal_(generator=generator)
    items = np.random.default_rng(0).standard_normal((40, 2, 9, 9)).astype(np.float32)
    with torch.no_grad():
        labels = network(torch.from_numpy(items)).argmax(1).numpy()
    return subject_from_network(network, Items(items, labels), "images")


def explained(model: Model, method: str, count: int = 8) -> Explanation:
    subject = model.subject
    inputs = subject.split("validation").inputs[:count]
    work = explain(
        subject.network, model.network(), inputs, method_named(method), subject.input.baseline, seed=0
    )
    return result_of(work)


@pytest.mark.parametrize("kind", PLACES)
def test_grad_cam_looks_at_the_same_place_after_folding(kind: str) -> None:
    make, place = PLACES[kind]
    subject = subject_of(make())
    found = explained(compress(subject, read_recipe(FOLD), Store()), "grad_cam")
    assert (found.place_before, found.place_after) == (place, place)
    assert found.items["cosine"].min() > 0.999


@pytest.mark.parametrize("kind", PLACES)
def test_each_network_alone_is_looked_at_there_too(kind: str) -> None:
    subject = subject_of(PLACES[kind][0]())
    model = compress(subject, read_recipe(FOLD), Store())
    inputs, targets = subject.split("validation").inputs[:8], torch.zeros(8, dtype=torch.long)
    maps = [
        attribute(n, inputs, targets, method_named("grad_cam"), subject.input.baseline).numpy()
        for n in (subject.network, model.network())
    ]
    assert cosine(pair(*maps, np.ones(maps[0].shape, np.bool_))).min() > 0.999


@pytest.mark.parametrize(
    "recipe",
    [
        "layers: [{match: c2, steps: [{technique: low_rank, rank: 6}]}]",
        "layers: [{match: c2, steps: [{technique: tucker, rank_in: 3, rank_out: 6}]}]",
        f"{FOLD}\nlayers: [{{match: c2, steps: [{{technique: low_rank, rank: 6}}]}}]",
    ],
)
def test_a_factored_convolution_is_looked_at_behind_its_last_factor(recipe: str) -> None:
    model = compress(subject_of(_Images()), read_recipe(recipe), Store())
    found = explained(model, "grad_cam")
    assert found.place_after == found.place_before == "b2"
    assert found.items["cosine"].min() > 0.99


def test_a_network_with_fewer_channels_is_looked_at_in_the_same_place() -> None:
    recipe = "groups: [{match: 'c*', steps: [{technique: magnitude, share_removed: 0.5}]}]"
    found = explained(compress(subject_of(_InPlace()), read_recipe(recipe), Store()), "grad_cam")
    assert (found.place_before, found.place_after) == ("b2", "b2")


def test_a_place_that_is_gone_is_the_last_one_that_is_left() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1))
    assert feature_place_in(network, torch.zeros(1, 2, 9, 9), "b7") == "2"
    assert feature_place_in(network, torch.zeros(1, 2, 9, 9), "0") == "0"
    assert feature_place_in(network, torch.zeros(1, 2, 9, 9), "3") == "2"
    assert last_spatial_place(nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), torch.zeros(1, 2, 4)) is None


# What is chance


@pytest.mark.parametrize(("method", "draws"), [("saliency", 5), ("grad_cam", 5), ("integrated_gradients", 3)])
def test_chance_is_the_median_of_several_draws_with_its_range(method: str, draws: int) -> None:
    found = explained(Model.original(subject_of(_Images())), method)
    medians = [found.random[found.random["draw"] == draw]["cosine"].median() for draw in range(draws)]
    assert found.random["draw"].nunique() == draws
    assert len(set(medians)) == draws
    chance = found.chance("cosine")
    assert (chance.median, chance.low, chance.high) == (np.median(medians), min(medians), max(medians))
    row = found.summary().set_index(["measure", "group"]).loc[("cosine", "random floor")]
    assert row[["median", "lowest", "highest", "draws", "n"]].tolist() == [
        chance.median,
        chance.low,
        chance.high,
        draws,
        8,
    ]


def test_a_draw_that_cannot_be_measured_is_left_out_of_the_range() -> None:
    import pandas as pd

    frame = pd.DataFrame({"draw": [0, 0, 1, 1, 2, 2], "ssim": [0.1, 0.3, np.nan, np.nan, 0.5, np.nan]})
    chance = chance_of(frame, "ssim")
    assert (chance.median, chance.low, chance.high) == (0.35, 0.2, 0.5)
    assert (chance.n, chance.not_measured, chance.draws) == (1, 1, 3)


# What integrated gradients leave out


class _Steep(nn.Module):
    """Scores with a step halfway, which few points on the way miss: weight says how steep."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.line, self.slope = nn.Linear(4, 3), slope

    def forward(self, x: Tensor) -> Tensor:
        return self.line((self.slope * (x - 0.37)).sigmoid())


@pytest.mark.parametrize(
    ("slope", "gap", "steps"), [(1.0, False, STEPS), (400.0, False, 400), (1e5, True, 400)]
)
def test_points_are_added_where_a_map_leaves_much_out_and_the_rest_is_said(
    slope: float, gap: bool, steps: int
) -> None:
    network, inputs = (
        seeded(_Steep(slope)),
        torch.rand(5, 4, generator=torch.Generator().manual_seed(2)) + 0.5,
    )
    targets, method = torch.zeros(5, dtype=torch.long), method_named("integrated_gradients")
    (found,) = attributed_in_batches(network, inputs, targets, method, torch.zeros(1, 4))
    (rough,) = attributed_in_batches(network, inputs, targets, method, torch.zeros(1, 4), refine=False)
    assert bool((found.gap > EXACT_ENOUGH).any()) == gap
    assert int(found.steps.max()) <= steps <= MOST_STEPS
    assert (found.gap <= rough.gap).all()
    assert (rough.steps == STEPS).all()
    assert (int(found.steps.max()) > STEPS) == (slope > 1)
    with torch.no_grad():
        change = network(inputs)[:, 0] - network(torch.zeros(1, 4))[:, 0]
    expected = (found.maps.sum(1) - change).abs() / change.abs()
    torch.testing.assert_close(found.gap.float(), expected, atol=1e-5, rtol=1e-2)


def test_the_gap_is_not_measured_for_methods_that_need_not_add_up() -> None:
    found = explained(Model.original(subject_of(_Images())), "saliency", 3)
    assert found.items[["gap_before", "gap_after"]].isna().all(axis=None)
    assert (found.place_before, found.place_after) == ("", "")


def test_an_explanation_survives_the_way_through_a_job() -> None:
    model = compress(subject_of(_Images()), read_recipe(FOLD), Store())
    found = result_of(run(model, ExplainKnobs(method="grad_cam", items=4), 0, Store()))
    again = unpack(pack(found)).explanation
    assert (again.place_before, again.place_after) == ("b2", "b2")
    assert again.summary().equals(found.explanation.summary())
