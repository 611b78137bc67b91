"""A wave is shown as a line over time, colored along it, wherever an item is shown."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.reviews.report_figures import waves_of
from compress_core.subject.subject import Subject
from compress_core.subject.wave_form import WaveForm, wave_form
from dashboard import state
from dashboard.figures import palette
from dashboard.figures.wave_lines import MOST_STRIPES, wave_lines, wave_picture
from dashboard.links import encoded
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

RANDOM = np.random.default_rng(0)


class Listening(nn.Module):
    """A convolution over time; written flat [n, T] it puts the channel in itself."""

    def __init__(self, channels: int, *, flat: bool = False, tall: bool = False) -> None:
        super().__init__()
        self.flat, self.tall = flat, tall
        self.a = nn.Conv2d(channels, 4, (9, 1)) if tall else nn.Conv1d(channels, 4, 9)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(1) if self.flat else x
        out: Tensor = self.head(self.a(x.unsqueeze(-1) if self.tall else x).flatten(2).mean(2))
        return out


def subject_of(network: nn.Module, *shape: int) -> Subject:
    torch.manual_seed(1)
    items = RANDOM.normal(size=(12, *shape)).astype(np.float32)
    return subject_from_network(network.eval(), checked_items(items, None), "heard", task="classification")


def bars(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.type == "bar"]


@pytest.mark.parametrize(
    ("network", "shape", "found"),
    [
        (Listening(1), (1, 64), WaveForm(1, 64)),
        (Listening(3), (3, 64), WaveForm(3, 64)),
        (Listening(1, flat=True), (64,), WaveForm(1, 64)),
        (Listening(1, flat=True, tall=True), (64,), WaveForm(1, 64)),
        (nn.Sequential(nn.Linear(64, 3)), (64,), None),
        (Listening(20), (20, 64), None),
    ],
    ids=["one channel", "three", "flat", "a kernel of n x 1", "a table", "many channels"],
)
def test_a_wave_is_what_a_convolution_of_one_dimension_runs_over(
    network: nn.Module, shape: tuple[int, ...], found: WaveForm | None
) -> None:
    subject = subject_of(network, *shape)
    assert wave_form(subject) == found
    if found is not None:
        split = subject.split("validation")
        values = found.of(subject, split, 3)
        assert np.array_equal(values, split.inputs[3].numpy().reshape(found.channels, found.samples))


@pytest.mark.parametrize("name", ["lenet5", "tabular"])
def test_pictures_and_tables_are_no_waves(name: str) -> None:
    assert wave_form(loaded_sample(name)) is None


def test_both_models_are_on_one_scale_over_the_same_wave() -> None:
    wave, before = RANDOM.normal(size=(2, 100)), RANDOM.normal(size=100)
    drawn = wave_lines(wave, before, 3 * before)
    found = bars(drawn.figure)
    assert len(found) == 4, "two channels, two models"
    assert drawn.figure.layout.coloraxis.cmin == -drawn.figure.layout.coloraxis.cmax
    assert drawn.figure.layout.coloraxis.cmax == pytest.approx(
        palette.centered(before, 3 * before, quantile=0.995)
    )
    for one, other in zip(found[:2], found[2:], strict=True):
        assert np.array_equal(one.base, other.base)
        assert np.allclose(3 * np.asarray(one.marker.color), other.marker.color)
        assert one.marker.coloraxis == other.marker.coloraxis == "coloraxis"


@pytest.mark.parametrize("samples", [40, 400, 401, 16000, 48001])
def test_every_sample_lies_in_its_stripe_and_neighbors_meet(samples: int) -> None:
    wave, map_ = RANDOM.normal(size=(1, samples)), RANDOM.normal(size=samples)
    drawn = wave_lines(wave, map_, map_)
    bar = bars(drawn.figure)[0]
    each = -(-samples // MOST_STRIPES)
    assert len(bar.x) == -(-samples // each) <= MOST_STRIPES
    low, high = np.asarray(bar.base), np.asarray(bar.base) + np.asarray(bar.y)
    for sample in range(0, samples, 7):
        at = sample // each
        assert low[at] - 1e-9 <= wave[0, sample] <= high[at] + 1e-9
    assert (np.minimum(high[1:], high[:-1]) >= np.maximum(low[1:], low[:-1]) - 1e-9).all(), "no gaps"
    means = [map_[begin : begin + each].mean() for begin in range(0, samples, each)]
    assert np.allclose(bar.marker.color, means)
    assert ("each stripe" in drawn.figure.layout.title.text) == (each > 1)


def test_time_is_in_seconds_where_the_rate_is_told_and_in_samples_where_not() -> None:
    wave, map_ = RANDOM.normal(size=(1, 1600)), np.zeros(1600)
    map_[800] = 1.0
    told, untold = wave_lines(wave, map_, map_, rate=16000.0), wave_lines(wave, map_, map_)
    assert max(bars(told.figure)[0].x) == pytest.approx(0.1, rel=0.01)
    assert max(bars(untold.figure)[0].x) == pytest.approx(1600, rel=0.01)
    assert "0.05 s before" in told.alternative
    assert "#800 before" in untold.alternative
    assert told.table["second"].iloc[-1] == pytest.approx(1599 / 16000)
    assert "second" not in untold.table


def test_the_table_has_every_sample_of_every_channel() -> None:
    wave, before, after = RANDOM.normal(size=(8, 900)), RANDOM.normal(size=900), RANDOM.normal(size=900)
    drawn = wave_lines(wave, before, after)
    assert len(drawn.table) == 900
    assert np.array_equal(drawn.table["channel_7"], wave[7])
    assert np.allclose(drawn.table["difference"], after - before)
    assert "the first 6 of 8 channels" in drawn.figure.layout.title.text


def test_a_map_of_each_channel_is_added_up() -> None:
    maps = RANDOM.normal(size=(2, 50))
    assert np.allclose(wave_lines(maps, maps, maps).table["before"], maps.sum(0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dark", [False, True])
def test_a_small_wave_reaches_up_and_down_and_takes_the_colors_of_its_map(
    channels: int, *, dark: bool
) -> None:
    wave = np.sin(np.linspace(0, 12, 500))[None].repeat(channels, 0)
    map_ = np.where(np.arange(500) < 250, 1.0, -1.0)
    pixels = np.asarray(Image.open(BytesIO(wave_picture(wave, map_, 1.0, dark=dark))))
    drawn = pixels[..., 3] == 255
    assert drawn.any(axis=0).all(), "a line from left to right"
    high = pixels.shape[0] // channels
    assert drawn[:high].any(axis=1).sum() > 0.8 * high, "from its lowest to its highest value"
    colored = drawn & (pixels[..., :3] != 128).any(axis=2)
    half = pixels.shape[1] // 2
    left, right = pixels[:, :half][colored[:, :half]], pixels[:, half + 1 :][colored[:, half + 1 :]]
    assert (left[:, 2] > left[:, 1]).all(), "purple"
    assert (right[:, 0] > right[:, 2]).all(), "orange"


def test_a_wave_without_a_sound_is_a_line_in_the_middle() -> None:
    pixels = np.asarray(Image.open(BytesIO(wave_picture(np.zeros((1, 100))))))
    rows = np.flatnonzero((pixels[..., 3] == 255).any(axis=1))
    assert abs(rows.mean() - pixels.shape[0] / 2) < 3
    assert wave_lines(np.zeros((1, 100)), np.zeros(100), np.zeros(100)).alternative


def opened(name: str) -> AppTest:
    """A page that shows a pruned network of waves."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject_of(Listening(2), 2, 640)}
    app.query_params["m"] = "own-1"
    app.query_params["r"] = encoded([["a", [{"technique": "magnitude", "sparsity": 0.6}]]])
    app.run()
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return " ".join(str(found.value) for found in (*app.markdown, *app.caption, *app.text))


@pytest.mark.slow
def test_explain_shows_a_wave_over_samples_and_over_seconds_where_the_rate_is_given() -> None:
    app = opened("explain")
    assert "The wave is colored by how much each moment speaks for" in said(app)
    assert "The strongest moment is " in said(app)
    assert " s before and " not in said(app)
    app.number_input("explain.sample_rate").set_value(16000).run()
    assert not app.exception
    assert " s before and " in said(app)
    app.switch_page("pages/tune.py").run()
    app.switch_page("pages/explain.py").run()
    assert app.number_input("explain.sample_rate").value == 16000, "kept while other pages are looked at"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tune", "behavior"])
def test_other_pages_show_waves_as_pictures(name: str) -> None:
    assert not opened(name).exception


def test_a_report_has_a_wave_as_a_line() -> None:
    subject = subject_of(Listening(2), 2, 640)
    split = subject.split("validation")
    found = waves_of(split, subject, [3, 5])
    assert set(found) == {3, 5}
    pixels = np.asarray(Image.open(BytesIO(base64.b64decode(found[3].split(",")[1]))))
    assert (pixels < 255).any(axis=0).all(), "a line from left to right"
    assert not waves_of(loaded_sample("tabular").split("validation"), loaded_sample("tabular"), [0])
