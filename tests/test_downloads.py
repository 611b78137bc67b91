"""Every CSV of every page says of which model and recipe, and of how many items of which split, it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from compress_core.foundation.csv_table import Provenance, as_csv
from compress_core.foundation.number import Number
from compress_core.measure.speed.kernel_variants import KernelVariant, KernelVariantRow, KernelVariantTable
from dashboard import engine, shared_value
from dashboard import job_panel as jobs
from dashboard.deploy.variant_table import taken_frame
from dashboard.links import encoded

ROOT = Path(__file__).resolve().parent.parent
ABOUT = ["model", "recipe", "split", "items"]
STEPS = [{"technique": "magnitude", "sparsity": 0.9}, {"technique": "uniform", "bits": 4}]
TUNE = (
    "Many layers",
    "Each layer alone",
    "Criteria",
    "Quantizers",
    "What shrinks together",
    "Before and after",
    "Inputs",
    "Network",
    "Tried",
)
DEPLOY = ("What can I take away?", "Is it small?", "Is it fast?", "What does a pass cost?")
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "tune": ("tune.sections", TUNE),
    "weights": ("", ()),
    "behavior": ("", ()),
    "explain": ("", ()),
    "deploy": ("deploy.tabs", DEPLOY),
}
TABLES_OF_THE_PAGES = {
    "tune.layers",
    "tune.alone",
    "tune.criteria",
    "weights.reads",
    "behavior.changed",
    "explain.alike",
}


def _written() -> Iterator[tuple[str, str]]:
    for path in (*(ROOT / "pages").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")):
        yield path.name, path.read_text(encoding="utf-8")


def test_a_table_that_streamlit_draws_has_a_csv_of_ours_beside_it() -> None:
    drawn = {name: text for name, text in _written() if re.search(r"\.(dataframe|data_editor)\(", text)}
    assert "number_table.py" in drawn
    assert [name for name, text in drawn.items() if not re.search(r"\b(csv_button|as_csv)\(", text)] == []


def test_streamlits_own_download_of_a_table_which_names_no_model_is_taken_away() -> None:
    style = (ROOT / "dashboard" / "page_style.css").read_text(encoding="utf-8")
    assert re.search(r'aria-label\^="Download as CSV"\]\) \{\s*display: none;', style)


def test_kernel_variants_are_taken_away_in_numbers_with_what_they_are_of() -> None:
    ratio = Number(2.0, "ratio", "measured", 1.5, 2.5)
    row = KernelVariantRow("fc1", KernelVariant.CSR, Number(0.5, "ms", "measured"), ratio, True, "sparse")
    found = taken_frame(KernelVariantTable(8, (row,), ratio))
    back = pd.read_csv(BytesIO(as_csv(found, Provenance("lenet5", "abc"))))
    assert [*back.columns[:5]] == [*ABOUT, "layer"]
    assert (back["model"][0], back["recipe"][0], back["batch"][0], back["low"][0]) == (
        "lenet5",
        "abc",
        8,
        1.5,
    )


@pytest.fixture(scope="module")
def taken() -> Iterator[list[tuple[str, str, bytes]]]:
    """Key, file name and content of every CSV on every page of a compressed model, in both languages."""
    found: list[tuple[str, str, bytes]] = []
    original = DeltaGenerator.download_button

    def noted(place: DeltaGenerator, label: str, data: Any, *args: Any, **more: Any) -> bool:
        if "text/csv" in args:
            found.append((more["key"], args[0], data() if callable(data) else data))
        return original(place, label, data, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeltaGenerator, "download_button", noted)
        patch.setattr(engine, "PATIENCE_S", 300.0)
        _walk()
    yield found
    jobs.runner().close()
    shared_value.clear_all()


def _walk() -> None:
    """One visit to every page, and on it to every tab."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    app.query_params["m"] = "tabular"
    app.query_params["r"] = encoded([["fc1", STEPS]])
    app.run()
    for page, (tabs, titles) in PAGES.items():
        for number, title in enumerate(titles or ("",)):
            if tabs:
                app.session_state[tabs] = title
            (app.run() if number else app.switch_page(f"pages/{page}.py").run())
            assert not app.exception, [error.message for error in app.exception]


@pytest.mark.slow
def test_every_csv_of_every_page_has_its_provenance_in_its_first_columns(
    taken: list[tuple[str, str, bytes]],
) -> None:
    keys = {key.removesuffix(".csv") for key, _name, _content in taken}
    assert keys >= TABLES_OF_THE_PAGES
    assert any(key.startswith("tune.quantizers") and key.endswith(".table") for key in keys)
    for key, name, content in taken:
        frame = pd.read_csv(BytesIO(content))
        assert [*frame.columns[:4]] == ABOUT, key
        assert set(frame["model"]) == {"tabular"}, key
        assert frame["recipe"].notna().all(), key
        assert re.fullmatch(r"tabular_.*\.csv", name), key


@pytest.mark.slow
def test_no_csv_of_a_page_calls_an_error_by_another_name(taken: list[tuple[str, str, bytes]]) -> None:
    heads = {column for _key, _name, content in taken for column in pd.read_csv(BytesIO(content)).columns}
    errors = {head for head in heads if "error" in head or "distortion" in head or head == "output"}
    assert errors <= {
        "weight_error",
        "output_error",
        "output_error_note",
        "output_error_median",
        "ece",
        "calibration_error",
    }
    assert errors >= {"weight_error", "output_error"}
