"""The headline chooses on validation, draws what it found, and moves images only a little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch

from benchmarks.distorted_copies import with_distorted_copies
from benchmarks.headline import Figures, Goal, Study, Tried, asked
from benchmarks.headline_curve import CurvePoint, curve_svg
from benchmarks.headline_trials import NETWORKS, Trial
from benchmarks.published_ratios import PUBLISHED
from compress_core.apply.model import Model
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TRAINING, TrainingItems
from tests.subjects import loaded_sample


def figures(error: float, most_lost: float) -> Figures:
    return Figures((error, error - 0.3, error + 0.4), (0.1, -0.1, most_lost), 6000)


def test_an_error_counts_as_it_is_and_no_loss_by_its_upper_bound() -> None:
    assert Goal("error", 1.9).beyond(figures(1.9, 0.31)) == 0
    assert Goal("error", 1.8).beyond(figures(1.9, 0.3)) > 0
    assert Goal("no loss", None).beyond(figures(1.9, 0.3)) == 0
    assert Goal("no loss", None).beyond(figures(1.9, 0.31)) > 0


def tried(strength: float, ratio: float) -> Tried:
    return Tried(Trial({}, strength, 1), 0, Model.original(loaded_sample("tabular")), 1, ratio, 1.0)


def test_the_smallest_that_reaches_a_goal_on_validation_is_chosen_else_the_nearest() -> None:
    curve = [
        (tried(1, 100), figures(1.2, 0.35)),
        (tried(2, 200), figures(1.7, 0.8)),
        (tried(3, 300), figures(2.0, 1.2)),
    ]
    trial, name = Goal("error", 1.9).chosen(curve)
    assert (trial.strength, name) == (2, "error")
    trial, name = Goal("no loss", None).chosen(curve)
    assert (trial.strength, name) == (1, "no loss: not reached on validation, the nearest")


def test_words_ask_for_all_networks_or_for_some(tmp_path: Path) -> None:
    assert asked([])[0] == tuple(NETWORKS)
    names, study = asked(["lenet5", "--out", str(tmp_path), "--seeds", "2", "--kept"])
    assert names == ("lenet5",)
    assert study == Study(tmp_path, 2, only_kept=True)
    assert study.seeds_of("lenet5", NETWORKS["lenet5"].trials[0]) == ()


def test_trials_of_a_network_have_names_of_their_own() -> None:
    for network in NETWORKS.values():
        names = [trial.name for trial in network.trials]
        assert len(set(names)) == len(names)
    assert Trial({}, 1.0, 2).name == "whole, strength 1"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_curve_holds_a_point_for_each_that_was_trained_or_published(name: str) -> None:
    ours = [CurvePoint(300, 1.8, 1.5, 2.1), CurvePoint(100, 1.1, 0.9, 1.4)]
    drawn = ET.fromstring(curve_svg("a < b", ours, PUBLISHED[name]))
    shapes = [each.tag.rpartition("}")[2] for each in drawn]
    assert shapes.count("circle") == 2
    assert shapes.count("rect") == 1 + len(PUBLISHED[name])
    line = next(each for each in drawn if each.tag.endswith("polyline"))
    first, second = (float(place.split(",")[0]) for place in line.attrib["points"].split())
    assert first < second


def few(count: int) -> Subject:
    subject = loaded_sample("lenet300")
    seen = subject.split("validation")
    assert seen.labels is not None
    items = Split(TRAINING, seen.inputs[:count], seen.labels[:count], "few")
    return with_distorted_copies(replace_items(subject, items), 2)


def replace_items(subject: Subject, items: Split) -> Subject:
    return replace(subject, training=TrainingItems.of(items))


@pytest.mark.slow
def test_distorted_copies_stand_behind_the_images_with_the_same_labels() -> None:
    subject = few(5)
    items = subject.split(TRAINING)
    assert items.labels is not None
    clean, one, other = torch.split(items.inputs, 5)
    assert torch.equal(clean, subject.split("validation").inputs[:5])
    assert torch.equal(items.labels[:5], items.labels[5:10])
    assert not torch.equal(one, other)
    assert float((one - clean).abs().mean()) < 0.3 * float(clean.std())
    assert torch.allclose(one[..., 0, :], clean.min(), atol=1e-4)  # what comes in from outside is black


@pytest.mark.slow
def test_the_same_copies_come_every_time_and_no_copies_change_nothing() -> None:
    one, other = few(3).split(TRAINING), few(3).split(TRAINING)
    assert torch.equal(one.inputs, other.inputs)
    assert one.digest == other.digest != "few"
    subject = loaded_sample("lenet300")
    assert with_distorted_copies(subject, 0) is subject
