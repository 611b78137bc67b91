"""Figures are functions of values: what they draw, say and offer is checked without a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from compress_core.cli.printing import value_of
from compress_core.decide.family import Family
from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.decide.swept import DIRECTIONS, Sweep, SweepPlan, SweptPoint
from compress_core.foundation.csv_table import Provenance, as_csv
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.measure.explain.random_floor import chance_of
from compress_core.subject.answer_kind import AnswerKind
from compress_core.training.objective_of_kind import objective_of
from dashboard.figures import attribution_maps as explain
from dashboard.figures import bytes_by_item as size
from dashboard.figures import changes as behavior
from dashboard.figures import confidence, item_answers, layer_inside, palette, pictures, spectrum
from dashboard.figures import similarity_summary as similarity
from dashboard.figures import sparsity_maps as sparsity
from dashboard.figures import weight_histograms as weights
from dashboard.figures.activation_maps import activations_by_channel
from dashboard.figures.attribution_shift import ROLES, attribution_shift
from dashboard.figures.classes_hurt import classes_hurt
from dashboard.figures.coupling_graph import Node, coupling
from dashboard.figures.drawn import Drawn, clicked
from dashboard.figures.layers_over_epochs import layers_over_epochs, told_of_layers
from dashboard.figures.lineage_tree import lineage_tree
from dashboard.figures.measures import Measure
from dashboard.figures.network_diagram import LayerBox, Treatment, network_diagram
from dashboard.figures.parallel_coordinates import Brush, axes_of, parallel_coordinates
from dashboard.figures.pareto_scatter import pareto_scatter
from dashboard.figures.put_back import confidence_put_back, turned_back
from dashboard.figures.quantizer_levels import QuantizerLevels, quantizer_levels
from dashboard.figures.reduce import ZoomWindow, binned, block_reduce, shared_edges
from dashboard.figures.sensitivity_curves import sensitivity_curves, sensitivity_map
from dashboard.figures.soft_targets import soft_targets
from dashboard.figures.training_curves import StartingPoint, training_curves
from dashboard.figures.wave_lines import wave_lines
from dashboard.figures.what_broke import what_broke
from dashboard.figures.words import percent, plain, safe, shortened, shortened_apart, signed
from dashboard.show import left_out_text, number_text
from dashboard.text import use_language

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "<img src=x onerror=alert(1)>&%{x}$a$"
MIB = 1024**2
PROVENANCE = Provenance("lenet300", "3f" * 32, "test", 4000)
RANDOM = np.random.default_rng(0)


def _zeros(pruned: int, quantized: int = 0, original: int = 0) -> Any:
    return SimpleNamespace(
        pruned=pruned, quantized=quantized, original=original, total=pruned + quantized + original
    )


def _histograms(name: str, *, dark: bool = False, log_counts: bool = False) -> Drawn:
    edges = np.linspace(-1, 1, 122)
    before = RANDOM.integers(0, 400_000, 121)
    return weights.weight_histograms(
        name,
        before,
        before // 2,
        edges,
        _zeros(20_000_000, 1_000_000, 3),
        threshold=0.25,
        levels=np.linspace(-1, 1, 255),
        log_counts=log_counts,
        dark=dark,
    )


def _per_class(classes: int) -> pd.DataFrame:
    change = RANDOM.normal(0, 2, classes)
    return pd.DataFrame(
        {
            "class": np.arange(classes),
            "n": 200,
            "change": change,
            "low": change - 1,
            "high": change + 2,
            "p_holm": 0.5,
        }
    )


def _flips(classes: int) -> pd.DataFrame:
    numbers = np.arange(classes)
    return pd.DataFrame(RANDOM.poisson(0.02, (classes, classes)), index=numbers, columns=numbers)


def _reliability_bins() -> pd.DataFrame:
    low = np.arange(15) / 15
    one = pd.DataFrame({"low": low, "high": low + 1 / 15, "n": np.arange(15) * 10})
    one["confidence"] = np.where(one["n"] > 0, low + 1 / 30, np.nan)
    one["accuracy"], one["accuracy_low"] = one["confidence"] - 0.05, one["confidence"] - 0.09
    one["accuracy_high"] = one["confidence"]
    return pd.concat([one.assign(model="before"), one.assign(model="after")], ignore_index=True)


def _pairs(bins: int = 50) -> pd.DataFrame:
    borders = np.arange(bins) / bins
    return pd.DataFrame(RANDOM.integers(0, 5, (bins, bins)), index=borders, columns=borders)


def _similarities(items: int) -> pd.DataFrame:
    frame = pd.DataFrame({name: RANDOM.uniform(-0.2, 1, items) for name in similarity.MEASURES})
    frame.loc[0, "spearman"] = np.nan
    return frame.assign(flipped=np.arange(items) % 9 == 0)


def _epochs(count: int) -> pd.DataFrame:
    shares = {"score": 0.9, "low": 0.88, "high": 0.92, "n": 6000}
    return pd.DataFrame(
        {"epoch": range(1, count + 1), "loss": RANDOM.random(count), "learning_rate": 1e-3}
    ).assign(**shares)


_MEASURES = (
    Measure("bytes", "Size", "byte", "lower"),
    Measure("accuracy", "Accuracy", "share", "higher"),
)


def _models(name: str, count: int) -> pd.DataFrame:
    keys = _names(name, count)
    parents = [None, *(keys[place // 3] for place in range(1, count))]
    numbers = {"bytes": RANDOM.random(count) * 1e6, "accuracy": RANDOM.random(count)}
    return pd.DataFrame({"key": keys, "parent": parents, "label": keys, "what": keys, "runs": 2, **numbers})


def _curves(name: str) -> list[Curve]:
    """A hundred places at five degrees."""
    missing = Number.missing("points", "no labels")
    names = enumerate(_names(name, 100), 1)
    return [Curve(place, Family.PRUNE, _scanned(place, number, missing)) for number, place in names]


def _scanned(place: str, number: int, change: Number) -> tuple[ScanPoint, ...]:
    return tuple(
        ScanPoint(
            place,
            Family.PRUNE,
            share,
            (),
            "key",
            Number(share / number, "nat", "measured", 0.0, 1.0, 500),
            change,
            1,
            1,
            None,
        )
        for share in (0.3, 0.6, 0.8, 0.9, 0.95)
    )


def _sweep() -> Sweep:
    """Fifty places, at which everything falls away after the thirtieth."""
    points = [
        SweptPoint(
            place / 50 if place else None,
            {name: Number(1 - place / 50, "share", "measured", 0.0, 1.0, 9) for name in DIRECTIONS},
            frozenset(DIRECTIONS if place > 30 else ()),
        )
        for place in range(50)
    ]
    return Sweep(SweepPlan(), tuple(points), n=9)


def _names(name: str, count: int) -> list[str]:
    return [f"{name}{i}" for i in range(count)]


def _map(side: int) -> np.ndarray:
    return RANDOM.normal(size=(side, side)).astype(np.float32)


def _boxes(name: str, count: int) -> list[LayerBox]:
    """A long chain with residual connections, everything done to each layer."""
    names = _names(name, count)
    around = [names[max(0, i - 3)] for i in range(count)]
    return [
        LayerBox(n, 10**6 + i, 10**5, tuple(Treatment), i, tuple(names[i - 1 : i]), around[i])
        for i, n in enumerate(names)
    ]


def _alike(name: str) -> dict[str, Number]:
    measured = Number(0.4, "rank correlation", "measured", 0.3, 0.5, 100)
    return {"similarity": measured, "ceiling": measured, "floor": Number.missing("rank correlation", name)}


LARGE: dict[str, Callable[[str, bool], Drawn]] = {
    "attribution_shift": lambda name, dark: attribution_shift(
        {"sample": _alike(name), "flips": dict.fromkeys(ROLES, Number.missing("rank correlation", name))},
        method="saliency",
        dark=dark,
    ),
    "sparsity_by_channel": lambda name, dark: sparsity.sparsity_by_channel(
        {n: RANDOM.random(4096) for n in _names(name, 300)}, dark=dark
    ),
    "sparsity_within": lambda name, dark: layer_inside.sparsity_within(
        name, RANDOM.random((4096, 4096), dtype=np.float32) < 0.1, dark=dark
    ),
    "dead_channels": lambda name, dark: sparsity.dead_channels(
        _names(name, 300), np.arange(300), np.full(300, 512), dark=dark
    ),
    "weight_histograms": lambda name, dark: _histograms(name, dark=dark),
    "weight_histograms_log": lambda name, dark: _histograms(name, dark=dark, log_counts=True),
    "error_by_channel": lambda name, dark: weights.error_by_channel(name, RANDOM.random(30_000), dark=dark),
    "spectrum": lambda name, dark: spectrum.spectrum(
        name, np.sort(RANDOM.random(4096))[::-1], rank=512, break_even=2048, dark=dark
    ),
    "flips_matrix": lambda name, dark: behavior.flips_matrix(_flips(1000), _names(name, 1000), dark=dark),
    "per_class_change": lambda name, dark: behavior.per_class_change(
        _per_class(1000), _names(name, 1000), dark=dark
    ),
    "reliability": lambda _name, dark: confidence.reliability(
        _reliability_bins(), ece_before=0.01, ece_after=0.05, dark=dark
    ),
    "confidence_drift": lambda _name, dark: confidence.confidence_drift(_pairs(), dark=dark),
    "maps_side_by_side": lambda _name, dark: explain.maps_side_by_side(
        RANDOM.random((224, 224, 3)), _map(224), _map(224), dark=dark
    ),
    "blink": lambda _name, dark: explain.blink(_map(512), _map(512), dark=dark),
    "attribution_bars": lambda name, dark: explain.attribution_bars(
        _names(name, 5000), RANDOM.normal(size=5000), RANDOM.normal(size=5000), dark=dark
    ),
    "wave_lines": lambda _name, dark: wave_lines(
        RANDOM.normal(size=(8, 100_000)), RANDOM.normal(size=100_000), RANDOM.normal(size=100_000), dark=dark
    ),
    "similarity_summary": lambda _name, dark: similarity.similarity_summary(
        _similarities(20_000), _similarities(500), _similarities(500), dark=dark
    ),
    "bytes_by_item": lambda _name, dark: size.bytes_by_item(
        size.Bytes(10**9, 0, 0, 10**6), size.Bytes(10**7, 10**7, 10**4, 10**6), dark=dark
    ),
    "outputs": lambda name, dark: item_answers.outputs(name, _map(64), None, dark=dark),
    "outputs_of_maps": lambda name, dark: item_answers.outputs(
        name, RANDOM.normal(size=(512, 56, 56)), RANDOM.normal(size=(512, 56, 56)), dark=dark
    ),
    "outputs_of_a_row": lambda name, dark: item_answers.outputs(
        name, RANDOM.normal(size=4096), RANDOM.normal(size=4096), dark=dark
    ),
    "pareto_scatter": lambda name, dark: pareto_scatter(
        _models(name, 500), *_MEASURES, RANDOM.random(500) < 0.1, letters={f"{name}3": "A"}, dark=dark
    ),
    "lineage_tree": lambda name, dark: lineage_tree(_models(name, 500), _MEASURES[1], dark=dark),
    "parallel_coordinates": lambda name, dark: parallel_coordinates(
        _models(name, 500),
        axes_of(_models(name, 500), _MEASURES),
        [Brush("accuracy", 0.2, 0.6)],
        dark=dark,
    ),
    "classes_hurt": lambda name, dark: classes_hurt(
        *RANDOM.normal(size=(3, 1000, 5)), _names(name, 1000), _names(name, 5), dark=dark
    ),
    "turned_back": lambda name, dark: turned_back(_names(name, 300), RANDOM.random(300), 64, dark=dark),
    "confidence_put_back": lambda name, dark: confidence_put_back(
        3,
        _names(name, 300),
        RANDOM.random(300),
        RANDOM.random(300) < 0.5,
        before=0.9,
        after=0.1,
        class_name=name,
        dark=dark,
    ),
    "what_broke": lambda _name, dark: what_broke(_sweep(), dark=dark),
    "sensitivity_curves": lambda name, dark: sensitivity_curves(_curves(name), dark=dark),
    "sensitivity_map": lambda name, dark: sensitivity_map(_curves(name), dark=dark),
    "training_curves": lambda _name, dark: training_curves(
        _epochs(1000),
        pd.DataFrame({"epoch": np.linspace(0, 1000, 2000), "loss": RANDOM.random(2000)}),
        objective=objective_of(AnswerKind.SCORES),
        of=1000,
        before=StartingPoint(Number(0.99, "share", "measured"), Number(0.9, "share", "measured")),
        kept=900,
        dark=dark,
    ),
    "layers_over_epochs": lambda name, dark: layers_over_epochs(
        pd.DataFrame(RANDOM.random((300, 100)), index=_names(name, 300), columns=range(1, 101)),
        told_of_layers()["sparsity"],
        dark=dark,
    ),
    "soft_targets": lambda name, dark: soft_targets(
        _names(name, 1000), RANDOM.dirichlet(np.ones(1000)), RANDOM.dirichlet(np.ones(1000)), 4, dark=dark
    ),
    "network_diagram": lambda name, dark: network_diagram(_boxes(name, 300), f"{name}7", dark=dark),
}


@pytest.fixture(scope="module", params=LARGE)
def large(request: pytest.FixtureRequest) -> Drawn:
    return LARGE[request.param](HOSTILE, False)


def _walk(value: object) -> Iterator[object]:
    yield value
    children: Any = ()
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list | tuple):
        children = value
    elif isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        children = value.ravel().tolist()
    for child in children:
        yield from _walk(child)


def _parts(figure: go.Figure) -> list[object]:
    return list(_walk(figure.to_dict()))


def _heatmaps(figure: go.Figure) -> list[go.Heatmap]:
    return [trace for trace in figure.data if isinstance(trace, go.Heatmap)]


# ---------------------------------------------------------------- every figure


def test_no_figure_is_larger_than_a_megabyte_even_for_large_inputs(large: Drawn) -> None:
    assert len(large.figure.to_json()) < MIB


def test_a_hostile_name_never_becomes_markup_or_a_template(large: Drawn) -> None:
    texts = [part for part in _parts(large.figure) if isinstance(part, str)]
    assert not [text for text in texts if "<img" in text or "%{x}$" in text or "$a$" in text]


def test_every_figure_has_a_title_that_says_something(large: Drawn) -> None:
    assert len(plain(large.figure.layout.title.text)) > 10


def test_every_figure_leaves_the_background_to_the_page(large: Drawn) -> None:
    common = large.figure.layout.template.layout
    assert common.paper_bgcolor == common.plot_bgcolor == "rgba(0,0,0,0)"
    assert large.figure.layout.paper_bgcolor is large.figure.layout.plot_bgcolor is None


def test_no_boolean_array_reaches_plotly(large: Drawn) -> None:
    found = [part for part in _parts(large.figure) if isinstance(part, np.ndarray) and part.dtype == np.bool_]
    assert not found


def test_numbers_of_traces_are_arrays_not_lists(large: Drawn) -> None:
    for trace in large.figure.to_dict()["data"]:
        lists = [
            k
            for k, v in trace.items()
            if isinstance(v, list | tuple) and len(v) > 2 and isinstance(v[-1], float | int)
        ]
        assert not lists, f"{trace['type']} holds lists in {lists}"


def test_every_alternative_names_a_number(large: Drawn) -> None:
    assert any(character.isdigit() for character in large.alternative)


def test_every_table_reads_back_from_its_file_with_what_it_is_of(large: Drawn) -> None:
    table = large.table.head(1000)
    back = pd.read_csv(BytesIO(Drawn(large.figure, large.alternative, table).csv(PROVENANCE)))
    assert len(back) == len(table) > 0
    assert list(back.columns) == ["model", "recipe", "split", "items", *table.columns]
    assert set(back[["model", "recipe", "split", "items"]].itertuples(index=False, name=None)) == {
        ("lenet300", PROVENANCE.recipe, "test", 4000)
    }


@pytest.mark.parametrize("name", ["reliability", "bytes_by_item", "similarity_summary"])
def test_light_and_dark_differ_in_ink_only(name: str) -> None:
    make = LARGE[name]
    light, dark = make("a", False).figure, make("a", True).figure
    assert light.layout.template.layout.font.color == palette.LIGHT.text
    assert dark.layout.template.layout.font.color == palette.DARK.text
    assert light.layout.title.text.split("</b>")[0] == dark.layout.title.text.split("</b>")[0]


@pytest.mark.parametrize("name", LARGE)
def test_every_figure_can_be_drawn_in_chinese(name: str) -> None:
    with use_language("zh"):
        assert LARGE[name]("层", True).figure.layout.title.text


def _loaded_by(code: str) -> set[str]:
    """The libraries that a fresh interpreter holds after this code."""
    told = f"{code}\nimport sys; print(*{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


@pytest.mark.slow
def test_a_figure_needs_neither_streamlit_nor_torch() -> None:
    loaded = _loaded_by(
        "import importlib, pkgutil, dashboard.figures as f\n"
        "[importlib.import_module('dashboard.figures.' + m.name) for m in pkgutil.iter_modules(f.__path__)]"
    )
    assert {"plotly", "dashboard"} <= loaded
    assert not loaded & {"streamlit", "torch"}


@pytest.mark.slow
def test_streamlit_is_seen_where_something_loads_it() -> None:
    assert "streamlit" in _loaded_by("import dashboard.language")


# ---------------------------------------------------------------- words, clicks, files


@given(st.text())
def test_a_safe_name_holds_no_character_that_plotly_interprets(name: str) -> None:
    assert not set(safe(name)) & set("<>${}\n")


@given(st.text(max_size=200))
def test_a_shortened_name_fits(name: str) -> None:
    assert len(shortened(name, 40)) <= 40


@given(st.lists(st.text("ab.", max_size=60), max_size=12), st.integers(12, 40))
def test_names_that_are_shown_together_stay_apart_and_fit(names: list[str], longest: int) -> None:
    shown = shortened_apart(names, longest)
    assert max(map(len, shown), default=0) <= longest
    assert len(set(shown)) == len(set(names))


def test_what_tells_names_apart_is_not_left_out() -> None:
    names = [
        f"bert.encoder.layer.{layer}.attention.self.{part}" for layer in (0, 11) for part in ("query", "key")
    ]
    assert shortened_apart(names) == [
        "bert.encoder.laye…0.attention.self.query",
        "bert.encoder.layer.0.attention.self.key",
        "bert.encoder.lay…11.attention.self.query",
        "bert.encoder.layer.11.attention.self.key",
    ]
    assert shortened_apart(names, 18)[::2] == ["bert.en…0.…f.query", "bert.e…11.…f.query"]
    drawn = sparsity.sparsity_by_channel({name: np.zeros(4) for name in names})
    labels = [label.split("<br>")[0] for label in drawn.figure.layout.yaxis.ticktext]
    assert len(set(labels)) == len(names)


def test_where_all_layers_are_alike_none_is_the_highest() -> None:
    half = {name: np.array([0.4, 0.6]) for name in ("fc1", "fc2")}
    said = sparsity.sparsity_by_channel(half).alternative
    assert said == "Share of weights at zero, on average over output channels: 50.0 % in each of 2 layers."
    one = sparsity.sparsity_by_channel({"fc1": half["fc1"]}).alternative
    assert one.endswith("50.0 % in fc1.")
    values = pd.DataFrame([[0.1, 0.5]], index=["fc1"], columns=[1, 2])
    drawn = layers_over_epochs(values, told_of_layers()["sparsity"])
    assert drawn.alternative == "Zeros in each layer: in epoch 2 50.0 % everywhere."


def test_r_squared_is_no_share_and_numbers_of_a_network_have_no_fraction() -> None:
    assert number_text(Number(-0.6387, "R squared", "measured")) == "-0.6387"
    assert value_of(Number(-0.6387, "R squared", "measured")) == "-0.6387"
    measure = Measure("explained_variance", "R squared", "R squared", "higher")
    assert (measure.axis, measure.said(-0.6387)) == ("R squared", "-0.6387")
    assert value_of(Number(37760.0, "parameter", "exact")) == "37,760"
    assert number_text(Number(37760.0, "parameter", "exact")) == "37,760"


def test_a_reason_that_begins_with_the_layer_names_it_once() -> None:
    looks = Refused("{layer} looks rows up", layer="table")
    assert left_out_text("table", looks) == "table looks rows up"
    assert left_out_text("fc", looks) == "fc: table looks rows up"


def test_a_short_name_is_shown_whole() -> None:
    assert plain(safe("layer1.0.conv2")) == "layer1.0.conv2"


def test_a_change_that_rounds_to_nothing_has_no_minus() -> None:
    assert signed(-0.001) == "+0.00"


@pytest.mark.parametrize("carried", [[3, 1, 2], {"0": 3, "1": 1, "2": 2}, (3, 1, 2)])
def test_a_click_reads_lists_and_what_streamlit_makes_of_typed_arrays(carried: object) -> None:
    assert clicked({"customdata": carried}) == (3, 1, 2)


@pytest.mark.parametrize("point", [{}, {"customdata": None}])
def test_a_click_that_carries_nothing_is_empty(point: dict[str, object]) -> None:
    assert clicked(point) == ()


def test_a_cell_that_starts_a_formula_is_kept_as_text_in_the_file() -> None:
    drawn = Drawn(go.Figure(), "", pd.DataFrame({"layer": ["=1+1", "ok"], "change": [-1.5, 2.0]}))
    said = drawn.csv(Provenance("=2+2")).decode().splitlines()
    assert said == [
        "model,recipe,split,items,layer,change",
        "'=2+2,unchanged,,,'=1+1,-1.5",
        "'=2+2,unchanged,,,ok,2.0",
    ]


def test_a_download_of_one_item_says_which() -> None:
    back = pd.read_csv(BytesIO(as_csv(pd.DataFrame({"a": [1.5]}), Provenance("m", "ff", "test", 1, 17))))
    assert back.iloc[0].to_dict() == {
        "model": "m", "recipe": "ff", "split": "test", "items": 1, "item": 17, "a": 1.5,
    }  # fmt: skip


def test_a_table_that_says_otherwise_what_it_is_of_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="the name of what it is of"):
        PROVENANCE.of(pd.DataFrame({"split": ["validation"]}))


@pytest.mark.parametrize(
    ("provenance", "name"),
    [
        (Provenance("lenet300", "3f" * 32, "test", 4000), "lenet300_3f3f3f3f_test_N4000_behavior.flips.csv"),
        (
            Provenance("m", "3f" * 32, history="1c" * 32, name="3f3f3f3f-distill-9f0e"),
            "m_3f3f3f3f-distill-9f0e_behavior.flips.csv",
        ),
        (Provenance("m", "lesson prune"), "m_lesson-prune_behavior.flips.csv"),
        (Provenance("lenet300"), "lenet300_unchanged_behavior.flips.csv"),
        (Provenance("m", "ab", "validation", 1, 0), "m_ab_validation_N1_item0_behavior.flips.csv"),
        (Provenance("../../etc/<b>模型\n", "ab"), "..-..-etc-b-_ab_behavior.flips.csv"),
        (Provenance("x" * 300, "ab"), f"{'x' * 40}_ab_behavior.flips.csv"),
    ],
    ids=str,
)
def test_a_file_is_named_after_what_it_is_of(provenance: Provenance, name: str) -> None:
    assert provenance.file_name("behavior.flips") == name


@pytest.mark.parametrize(
    ("marked", "frame"),
    [
        ((0, 2), (1.5, 2.5, -0.5, 0.5)),
        ((1, None), (-0.5, 2.5, 0.5, 1.5)),
        ((None, 0), (-0.5, 0.5, -0.5, 2.5)),
    ],
)
def test_the_matrix_frames_the_cell_row_or_column_that_is_chosen(
    marked: tuple[int | None, int | None], frame: tuple[float, ...]
) -> None:
    counts = pd.DataFrame([[5, 0, 2], [1, 4, 0], [0, 0, 3]])
    drawn = behavior.flips_matrix(counts, ["a", "b", "c"], marked=marked)
    (shape,) = drawn.figure.layout.shapes
    assert (shape.x0, shape.x1, shape.y0, shape.y1) == frame


@pytest.mark.parametrize("marked", [(None, None), (7, None), (0, -1)])
def test_nothing_is_framed_where_nothing_is_chosen_or_it_is_not_drawn(
    marked: tuple[int | None, int | None],
) -> None:
    drawn = behavior.flips_matrix(pd.DataFrame([[5, 1], [0, 2]]), ["a", "b"], marked=marked)
    assert not drawn.figure.layout.shapes


# ---------------------------------------------------------------- reduction


def _block_means(matrix: np.ndarray, most: int) -> np.ndarray:
    step = [-(-side // most) for side in matrix.shape]
    rows = []
    for top in range(0, matrix.shape[0], step[0]):
        row = [
            matrix[top : top + step[0], left : left + step[1]].mean()
            for left in range(0, matrix.shape[1], step[1])
        ]
        rows.append(row)
    return np.array(rows)


@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
        lambda shape: arrays(np.bool_, shape, elements=st.booleans())
    ),
    st.integers(1, 12),
)
def test_block_reduction_equals_a_loop_over_blocks(mask: np.ndarray, most: int) -> None:
    blocks = block_reduce(mask, most)
    assert max(blocks.mean.shape) <= most
    np.testing.assert_allclose(blocks.mean, _block_means(mask, most), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_block_reduction_takes_numbers_too(dtype: type) -> None:
    matrix = RANDOM.integers(0, 200, (37, 53)).astype(dtype)
    np.testing.assert_allclose(block_reduce(matrix, 8).mean, _block_means(matrix, 8), rtol=1e-6)


def test_a_window_reduces_only_what_is_inside_it() -> None:
    mask = RANDOM.random((40, 60)) < 0.5
    blocks = block_reduce(mask, 4, ZoomWindow(10, 30, 20, 50))
    np.testing.assert_allclose(blocks.mean, _block_means(mask[10:30, 20:50], 4), rtol=1e-6)
    assert (blocks.row_edges[0], blocks.row_edges[-1]) == (10, 30)


@pytest.mark.parametrize("window", [ZoomWindow(50, 60, 0, 5), ZoomWindow(3, 3, 0, 5)])
def test_a_window_outside_the_matrix_shows_all_of_it(window: ZoomWindow) -> None:
    assert window.within(40, 60) == ZoomWindow(0, 40, 0, 60)


@pytest.mark.parametrize("edges", [np.linspace(-3, 3, 62), np.array([-3.0, -1.0, 0.0, 0.1, 2.5])])
def test_binning_counts_as_numpy_does_and_drops_what_lies_outside(edges: np.ndarray) -> None:
    values = RANDOM.normal(size=10_000).astype(np.float32) * 2
    np.testing.assert_array_equal(binned(values, edges), np.histogram(values, edges)[0])


def test_shared_edges_cover_both_and_give_zero_a_bin_of_its_own() -> None:
    edges = shared_edges(np.array([-0.5, 0.2]), np.array([0.8]), bins=11)
    assert (edges[0], edges[-1]) == (-0.8, 0.8)
    assert binned(np.zeros(5), edges)[5] == 5
    assert binned(np.array([-0.5, 0.2, 0.8]), edges).sum() == 3


def test_chance_is_the_same_number_in_the_figure_as_on_its_card() -> None:
    random = pd.concat([_similarities(3).assign(draw=draw) for draw in range(3)], ignore_index=True)
    random["spearman"] = [-0.2, -0.1, 0.9, -0.3, 0.01, 0.8, 0.02, 0.5, 0.6]
    drawn = similarity.similarity_summary(_similarities(20), _similarities(9), random)
    shown = drawn.table.set_index(["measure", "group"])["median"]
    for measure in similarity.MEASURES:
        assert shown[measure, "random floor"] == chance_of(random, measure).median
    assert "random floor 0.01" in drawn.alternative


def test_the_range_of_draws_is_a_band_as_wide_as_the_line_of_their_median() -> None:
    random = pd.concat([_similarities(3).assign(draw=draw) for draw in range(3)], ignore_index=True)
    random["spearman"] = [-0.2, -0.1, 0.9, -0.3, 0.01, 0.8, 0.02, 0.5, 0.6]
    traces = similarity.similarity_summary(_similarities(20), _similarities(9), random).figure.data
    (band,) = [trace for trace in traces if trace.name == "range of 3 draws"]
    line = next(trace for trace in traces if trace.name == "random floor (median)")
    assert (band.fill, band.showlegend) == ("toself", True)
    assert (np.nanmin(band.x), np.nanmax(band.x)) == (np.nanmin(line.x), np.nanmax(line.x))
    assert sorted({*band.y[:5]}) == [-0.1, 0.5], "the medians of the draws"


def test_a_likeness_of_nearly_nothing_has_no_minus() -> None:
    none = _similarities(9).assign(**dict.fromkeys(similarity.MEASURES, -1e-4))
    drawn = similarity.similarity_summary(none, none, none.assign(draw=0))
    assert "-0.00" not in drawn.alternative
    heights = np.concatenate([np.asarray(t.y, float) for t in drawn.figure.data if t.type == "scatter"])
    assert not np.signbit(heights[heights == 0]).any()


def test_a_symmetric_limit_passes_over_nan_and_never_is_zero() -> None:
    assert palette.centered(np.array([np.nan, -3.0, 2.0])) == 3.0
    assert palette.centered(np.zeros(4)) == 1.0
    assert palette.centered(np.array([0.0] * 999 + [5.0]), quantile=0.5) == 5.0


# ---------------------------------------------------------------- sparsity


def test_the_cells_of_a_layer_show_the_mean_of_their_blocks() -> None:
    kept = RANDOM.random((64, 96)) < 0.3
    (heatmap,) = _heatmaps(layer_inside.sparsity_within("fc", kept, max_cells=16).figure)
    np.testing.assert_allclose(heatmap.z, 1 - _block_means(kept, 16), atol=1e-6)


def test_the_title_says_how_many_weights_a_cell_covers() -> None:
    text = layer_inside.sparsity_within(
        "fc", np.ones((256, 512), bool), max_cells=16
    ).figure.layout.title.text
    assert "16 x 32 weights" in text


def test_a_click_on_a_cell_opens_exactly_its_block() -> None:
    kept = RANDOM.random((64, 96)) < 0.3
    figure = layer_inside.sparsity_within("fc", kept, max_cells=16).figure
    targets = figure.data[1]
    window = ZoomWindow(*clicked({"customdata": targets.customdata[16 * 2 + 5].tolist()}))
    assert window == ZoomWindow(8, 12, 30, 36)
    assert (targets.x[37], targets.y[37]) == (32.5, 9.5)
    inside = layer_inside.sparsity_within("fc", kept, window=window)
    np.testing.assert_array_equal(_heatmaps(inside.figure)[0].z, 1.0 - kept[8:12, 30:36])


def test_targets_are_drawn_once_and_fit_typed_arrays() -> None:
    targets = layer_inside.sparsity_within("fc", np.ones((500, 800), bool)).figure.data[1]
    assert targets.marker.maxdisplayed == 1
    assert targets.customdata.dtype == np.uint16


def test_row_zero_of_a_layer_is_on_top() -> None:
    low, high = layer_inside.sparsity_within("fc", np.ones((8, 8), bool)).figure.layout.yaxis.range
    assert low > high


def test_layers_of_any_width_share_one_heatmap_and_keep_their_own_cells() -> None:
    shares = {"wide": np.linspace(0, 1, 1000), "narrow": np.array([0.25, 0.75])}
    drawn = sparsity.sparsity_by_channel(shares)
    z = _heatmaps(drawn.figure)[0].z
    assert z.shape == (2, 240)
    assert set(np.unique(z[1])) == {0.25, 0.75}
    np.testing.assert_allclose(z[0, 0], np.linspace(0, 1, 1000)[:9].mean(), rtol=1e-6)
    assert "1,000 channels, 9 a cell" in drawn.figure.layout.yaxis.ticktext[0]


def test_a_click_on_a_channel_carries_layer_and_channels() -> None:
    shares = {"wide": np.linspace(0, 1, 1000), "narrow": np.array([0.25, 0.75])}
    carried = sparsity.sparsity_by_channel(shares).figure.data[1].customdata
    assert carried[0].tolist() == [0, 0, 8]
    assert carried[-1].tolist() == [1, 1, 1]


def test_no_layer_at_all_still_draws() -> None:
    assert sparsity.sparsity_by_channel({}).table.empty


def test_dead_channels_are_counted_in_the_title() -> None:
    drawn = sparsity.dead_channels(["a", "b"], np.array([1, 2]), np.array([4, 8]))
    assert "3 of 12" in drawn.figure.layout.title.text
    assert drawn.table["share_dead"].tolist() == [0.25, 0.25]


def test_no_share_axis_names_more_than_the_whole() -> None:
    axis = sparsity.dead_channels(["a"], np.array([8]), np.array([8])).figure.layout.xaxis
    assert max(axis.tickvals) == 1
    assert axis.range[1] > 1, "the count beside the bar has room"


# ---------------------------------------------------------------- weights


def test_before_and_after_have_the_same_bins() -> None:
    figure = _histograms("fc").figure
    bars, outline = figure.data[0], figure.data[1]
    np.testing.assert_allclose((outline.x[:-1] + outline.x[1:]) / 2, bars.x)


def test_kinds_of_zeros_stand_apart_and_fill_the_column_to_one() -> None:
    edges = np.linspace(-1, 1, 4)
    drawn = weights.weight_histograms(
        "fc", np.array([3, 4, 3]), np.array([1, 0, 1]), edges, _zeros(5, quantized=2, original=1)
    )
    shares = [float(bar.y[0]) for bar in drawn.figure.data[2:]]
    assert shares == [0.2, 0.1, 0.2, 0.5]
    kinds = drawn.table.set_index("kind")["after"]
    assert (kinds["pruned"], kinds["rounded to zero"], kinds["zero before"]) == (5, 2, 1)


def test_the_threshold_is_marked_on_both_sides() -> None:
    assert sorted(shape.x0 for shape in _histograms("fc").figure.layout.shapes) == [-0.25, 0.25]


def test_every_level_has_its_tick() -> None:
    ticks = next(t for t in _histograms("fc").figure.data if t.yaxis == "y3")
    np.testing.assert_array_equal(ticks.x[::3], np.linspace(-1, 1, 255))


def test_log_counts_change_the_axis_and_keep_empty_bins_on_the_ground() -> None:
    figure = _histograms("fc", log_counts=True).figure
    assert figure.layout.yaxis.type == "log"
    assert figure.data[1].y.min() >= 0.5


def test_the_worst_channel_comes_first_and_keeps_its_number() -> None:
    drawn = weights.error_by_channel("fc", np.array([0.1, np.nan, 0.4, 0.2]))
    assert drawn.table["channel"].tolist() == [2, 3, 0, 1]
    assert "40.00 % in channel 2" in drawn.alternative


def test_channels_can_stand_in_the_order_of_the_layer() -> None:
    drawn = weights.error_by_channel("fc", np.array([0.1, 0.4]), ordered=False)
    assert drawn.table["channel"].tolist() == [0, 1]


def test_a_layer_without_any_measured_error_says_so() -> None:
    assert "No output channel" in weights.error_by_channel("fc", np.full(3, np.nan)).alternative


def test_energy_is_the_running_share_of_squared_singular_values() -> None:
    drawn = spectrum.spectrum("fc", np.array([2.0, 1.0, 0.0]), rank=1, break_even=2)
    np.testing.assert_allclose(drawn.table["energy"], [0.8, 1.0, 1.0])
    assert np.isnan(drawn.figure.data[0].y[2])
    assert {shape.x0 for shape in drawn.figure.layout.shapes} == {1, 2.5}, "the layer is smaller at rank 2"
    assert "Up to rank 2 the layer gets smaller." in drawn.alternative


# ---------------------------------------------------------------- behavior


def test_the_diagonal_is_on_no_scale_and_flips_are_on_their_own() -> None:
    counts = pd.DataFrame([[90, 2, 0], [0, 80, 5], [1, 0, 70]])
    stayed, changed = _heatmaps(behavior.flips_matrix(counts, ["a", "b", "c"]).figure)
    assert not stayed.showscale
    assert np.isnan(np.diagonal(changed.z)).all()
    assert (np.nanmax(changed.z), changed.zmax) == (5, 5)


def test_flips_are_counted_and_the_most_frequent_is_named() -> None:
    counts = pd.DataFrame([[90, 2, 0], [0, 80, 5], [1, 0, 70]])
    drawn = behavior.flips_matrix(counts, ["a", "b", "c"])
    assert "8 of 248" in drawn.figure.layout.title.text
    assert "b to c with 5 items" in drawn.alternative
    assert len(drawn.table) == 6


def test_models_that_agree_everywhere_have_no_flips_to_draw() -> None:
    drawn = behavior.flips_matrix(pd.DataFrame(np.diag([3, 4])), ["a", "b"])
    assert drawn.alternative == "0 of 7 predictions changed."


def test_with_many_classes_the_most_changed_are_shown_and_clicks_keep_their_numbers() -> None:
    counts = np.diag(np.full(100, 9))
    counts[97, 3] = 50
    counts[30:80, 2] = 1
    drawn = behavior.flips_matrix(pd.DataFrame(counts), [str(i) for i in range(100)])
    assert _heatmaps(drawn.figure)[1].z.shape == (40, 40)
    carried = {tuple(pair) for pair in drawn.figure.data[-1].customdata.tolist()}
    assert (97, 3) in carried
    assert "The 40 most changed of 100" in drawn.figure.layout.title.text


def test_of_many_classes_those_that_never_changed_have_no_row() -> None:
    counts = np.diag(np.full(100, 9))
    names = [str(i) for i in range(100)]
    assert "most changed" not in behavior.flips_matrix(pd.DataFrame(counts), names).figure.layout.title.text
    counts[97, 3] = 50
    drawn = behavior.flips_matrix(pd.DataFrame(counts), names)
    assert drawn.figure.layout.yaxis.ticktext == ("3", "97")
    assert "The 2 changed of 100" in drawn.figure.layout.title.text


def test_items_without_an_answer_have_a_row_of_their_own() -> None:
    counts = pd.DataFrame([[0, 1], [0, 5]], index=[-1, 0], columns=[-1, 0])
    assert "no answer" in set(behavior.flips_matrix(counts, ["a"]).table["before"])


def test_the_worst_class_is_on_top_with_its_interval() -> None:
    frame = pd.DataFrame(
        {"class": [0, 1], "n": 10, "change": [1.0, -2.0], "low": [0, -5], "high": [2, 1], "p_holm": [1, 0.01]}
    )
    drawn = behavior.per_class_change(frame, ["zero", "one"])
    dots = drawn.figure.data[0]
    assert list(drawn.table["name"]) == ["one", "zero"]
    assert (dots.error_x.arrayminus[0], dots.error_x.array[0]) == (3, 3)
    assert list(dots.marker.symbol) == ["circle", "circle-open"]
    assert drawn.figure.layout.yaxis.range[0] > drawn.figure.layout.yaxis.range[1]


def test_both_models_share_the_axes_of_the_reliability_diagram() -> None:
    layout = LARGE["reliability"]("", False).figure.layout
    assert layout.xaxis.range == layout.xaxis2.range == (0, 1)
    assert layout.yaxis.range == layout.yaxis2.range
    assert layout.yaxis3.range == layout.yaxis4.range


def test_the_gap_reaches_from_accuracy_to_confidence() -> None:
    gap = LARGE["reliability"]("", False).figure.data[0]
    np.testing.assert_allclose(
        np.asarray(gap.base, float) + gap.y, np.where(np.arange(15) > 0, np.arange(15) / 15 + 1 / 30, np.nan)
    )


def test_items_that_got_less_sure_lie_below_the_diagonal() -> None:
    counts = np.zeros((4, 4), int)
    counts[3, 0] = 10
    pairs = pd.DataFrame(counts, index=np.arange(4) / 4, columns=np.arange(4) / 4)
    drawn = confidence.confidence_drift(pairs)
    z = _heatmaps(drawn.figure)[0].z
    assert np.argwhere(np.isfinite(z)).tolist() == [[0, 3]]
    assert "100.0 % became less sure" in drawn.alternative


# ---------------------------------------------------------------- explain


def test_all_maps_have_one_scale_centered_at_zero() -> None:
    figure = explain.maps_side_by_side(_map(28), _map(28), 3 * _map(28)).figure
    assert {heatmap.coloraxis for heatmap in _heatmaps(figure)} == {"coloraxis"}
    assert figure.layout.coloraxis.cmin == -figure.layout.coloraxis.cmax < 0


def test_the_difference_is_after_minus_before() -> None:
    before, after = _map(28), _map(28)
    drawn = explain.maps_side_by_side(_map(28), before, after)
    np.testing.assert_allclose(_heatmaps(drawn.figure)[2].z, after - before, rtol=1e-5)
    np.testing.assert_allclose(drawn.table["difference"], (after - before).ravel(), rtol=1e-5)


def test_the_channels_of_a_map_are_added_up() -> None:
    before = RANDOM.normal(size=(3, 8, 8))
    (first, *_rest) = _heatmaps(explain.blink(before, before).figure)
    np.testing.assert_allclose(first.z, before.sum(axis=0), rtol=1e-5)


def test_row_zero_of_every_map_is_on_top() -> None:
    layout = explain.maps_side_by_side(_map(8), _map(8), _map(8)).figure.layout
    assert all(axis.range[0] > axis.range[1] for axis in (layout.yaxis2, layout.yaxis3, layout.yaxis4))


def test_blinking_shows_one_map_at_a_time_and_slower_than_three_times_a_second() -> None:
    figure = explain.blink(_map(8), _map(8)).figure
    assert [[bool(trace.visible) for trace in frame.data] for frame in figure.frames] == [
        [True, False],
        [False, True],
    ]
    assert all(b.args[1]["frame"]["duration"] > 333 for b in figure.layout.updatemenus[0].buttons)


def test_the_strongest_features_are_shown_and_all_are_in_the_table() -> None:
    before = np.linspace(-1, 0.5, 50)
    drawn = explain.attribution_bars([f"f{i}" for i in range(50)], before, -before)
    assert len(drawn.figure.data[0].x) == 20
    assert drawn.table["feature"].iloc[0] == "f0"
    assert len(drawn.table) == 50
    low, high = drawn.figure.layout.xaxis.range
    assert low == -high


def test_boxes_hold_the_quartiles_of_each_group() -> None:
    items = _similarities(200)
    drawn = similarity.similarity_summary(items, _similarities(50), _similarities(50))
    kept = items.loc[~items["flipped"], "cosine"]
    row = drawn.table.set_index(["measure", "group"]).loc[("cosine", "kept")]
    np.testing.assert_allclose(
        row[["low_quartile", "median", "high_quartile"]].tolist(), kept.quantile([0.25, 0.5, 0.75])
    )
    box = next(t for t in drawn.figure.data if t.type == "box" and "kept" in t.name)
    assert box.median[-1] == pytest.approx(kept.median())


def test_what_was_not_measured_is_counted_not_drawn() -> None:
    table = similarity.similarity_summary(_similarities(20), _similarities(9), _similarities(9)).table
    assert table.set_index(["measure", "group"]).loc[("spearman", "all"), "not_measured"] == 1


def test_without_flips_the_other_groups_still_draw() -> None:
    items = _similarities(20).assign(flipped=False)
    drawn = similarity.similarity_summary(items, _similarities(9), _similarities(9))
    assert "flipped" not in drawn.alternative


# ---------------------------------------------------------------- pictures


def test_an_item_becomes_a_sharp_picture() -> None:
    pixels = np.array([[0.0, 1.0], [0.5, 0.0]])
    image = np.asarray(Image.open(BytesIO(pictures.item_image(pixels, side=8))))
    np.testing.assert_array_equal(image, np.array([[0, 255], [128, 0]]).repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize(
    ("shape", "mode"), [((5, 4), "L"), ((1, 5, 4), "L"), ((3, 5, 4), "RGB"), ((5, 4, 3), "RGB")]
)
def test_items_come_with_channels_first_last_or_none(shape: tuple[int, ...], mode: str) -> None:
    image = Image.open(BytesIO(pictures.item_image(RANDOM.random(shape), side=5)))
    assert (image.mode, image.size) == (mode, (4, 5))


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_item_is_black(value: float) -> None:
    assert np.asarray(Image.open(BytesIO(pictures.item_image(np.full((3, 3), value))))).max() == 0


def test_zero_has_the_middle_color_of_a_map() -> None:
    image = np.asarray(Image.open(BytesIO(pictures.map_image(np.array([[-9.0, 0.0, 9.0]]), 3.0, side=3))))
    assert image[0, 1].tolist() == [247, 247, 247]
    assert image[0, 0, 0] > image[0, 0, 2]
    assert image[0, 2, 2] > image[0, 2, 1]


# ---------------------------------------------------------------- size


def test_the_pieces_of_each_bar_add_up_to_its_model() -> None:
    before, after = size.Bytes(4096, 0, 0, 1024), size.Bytes(512, 256, 128, 128)
    drawn = size.bytes_by_item(before, after)
    lengths = sum(np.asarray(bar.x) for bar in drawn.figure.data if bar.xaxis == "x")
    np.testing.assert_allclose(lengths, [5.0, 1.0])
    shares = sum(np.asarray(bar.x) for bar in drawn.figure.data if bar.xaxis == "x2")
    np.testing.assert_allclose(shares, [1.0, 1.0])
    assert "5.0 times smaller" in drawn.figure.layout.title.text
    assert drawn.table["total"].tolist() == [5120, 1024]


def test_a_percentage_has_a_space_before_its_sign() -> None:
    assert percent(0.905) == "90.5 %"


COUPLED = [
    Node("conv1", "producer", 32, 16),
    Node("block.conv2", "producer", 32, 16),
    Node("bn1", "between", 32, 16),
    Node("<b>fc</b>", "consumer", 64, 32),
]


def test_coupling_names_makers_and_readers_and_draws_each_hand_over() -> None:
    edges = [("conv1", "bn1"), ("bn1", "<b>fc</b>"), ("nowhere", "bn1")]
    drawn = coupling("conv1", COUPLED, edges)
    lines = drawn.figure.data[0]
    assert np.isnan(lines.x).sum() == 2
    assert "conv1, block.conv2 make the channels. They pass through bn1." in drawn.alternative
    assert drawn.table["hands_to"].tolist() == ["bn1", "", "<b>fc</b>", ""]
    assert not any("<b>fc</b>" in a.text for a in drawn.figure.layout.annotations)


def test_coupling_of_many_modules_says_how_many_it_does_not_draw() -> None:
    many = [Node(f"layer{i}", "consumer", 8, 8) for i in range(60)]
    drawn = coupling("start", [Node("start", "producer", 8, 8), *many], [])
    assert any("36" in a.text for a in drawn.figure.layout.annotations)
    assert len(drawn.table) == 61


def test_quantizers_have_a_line_of_ticks_each_on_the_axis_of_the_weights() -> None:
    edges = shared_edges(np.array([-1.0, 1.0]), bins=5)
    some = [
        QuantizerLevels("One", np.array([-1.0, 0, 1]), 30.0, 0.01),
        QuantizerLevels("Two", np.array([0.0, 0.5]), 20.0, 0.2),
    ]
    drawn = quantizer_levels("fc", some, np.array([1, 2, 3, 2, 1]), edges)
    lines = [trace for trace in drawn.figure.data if trace.type == "scatter"]
    assert [list(line.x) for line in lines] == [[-1, 0, 1], [0, 0.5]]
    assert "One errs least with 1.00 %" in drawn.alternative
    assert "Two takes the fewest bytes, 20 B" in drawn.alternative
    assert drawn.table["bytes"].tolist() == [30, 20]


def test_activations_of_both_models_share_one_scale_and_name_silent_channels() -> None:
    shares = {"one": np.array([0.0, 1.0, 0.5]), "two": np.array([1.0, 1.0])}
    drawn = [activations_by_channel(shares, 64, compressed=c, near=False) for c in (False, True)]
    assert {(d.figure.data[0].zmin, d.figure.data[0].zmax) for d in drawn} == {(0, 1)}
    assert "most zeros arrive at two with 100.0 %" in drawn[0].alternative
    assert "3 channels are zero throughout" in drawn[0].alternative
    assert len(drawn[0].table) == 5


def test_a_map_of_channels_leaves_its_width_to_the_map_on_a_phone() -> None:
    """300 pixels: the names of layers and the scale may take no more than half of them."""
    shares = {f"features.block{i}.convolution": np.linspace(0, 1, 64) for i in range(8)}
    figure = sparsity.sparsity_by_channel(shares).figure
    (heatmap,) = _heatmaps(figure)
    assert heatmap.colorbar.orientation == "h"
    assert heatmap.colorbar.yref == "container"
    lines = [line for label in figure.layout.yaxis.ticktext for line in label.split("<br>")]
    assert max(len(re.sub("<[^>]*>", "", line)) for line in lines) <= 24


def test_many_layers_are_named_in_one_line_each_and_what_is_gone_is_still_said() -> None:
    shares = {f"layer{i}": np.array([0.5, np.nan if i == 3 else 0.5]) for i in range(80)}
    labels = sparsity.sparsity_by_channel(shares).figure.layout.yaxis.ticktext
    assert not any("<br>" in label for label in labels)
    assert labels[2] == "layer2"
    assert "1 cut out" in labels[3]
