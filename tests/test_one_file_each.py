"""What is one file each is found by itself: a file added on the spot appears wherever its kind is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Node
from torch import nn
from typer.testing import CliRunner

from compress_core.cli import app as program
from compress_core.deliver.export_format import export_formats
from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import item_formats, weight_formats
from compress_core.loading.load_check import load_checks
from compress_core.loading.upload import read_state
from compress_core.measure.behavior.metric import metrics
from compress_core.measure.explain.attribution import attribution_methods, offered_methods
from compress_core.measure.speed.runtime import runtime_named, runtimes
from compress_core.techniques.contract.technique import techniques
from tests.planting import Plant, plant  # noqa: F401 - a fixture
from tests.test_pages import APP, PRUNED, opened

pytestmark = pytest.mark.slow

TECHNIQUES = "compress_core.techniques"
METRICS = "compress_core.measure.behavior.metrics"
METHODS = "compress_core.measure.explain.methods"
RUNTIMES = "compress_core.measure.speed.runtimes"
WEIGHT_FORMATS = "compress_core.loading.weight_formats"
EXPORT_FORMATS = "compress_core.deliver.export_formats"
ITEM_FORMATS = "compress_core.loading.item_formats"
LOAD_CHECKS = "compress_core.loading.load_checks"
contract = sys.modules["compress_core.techniques.contract.technique"]
KINDS = {
    TECHNIQUES: techniques,
    METRICS: metrics,
    METHODS: attribution_methods,
    RUNTIMES: runtimes,
    WEIGHT_FORMATS: weight_formats,
    ITEM_FORMATS: item_formats,
    EXPORT_FORMATS: export_formats,
    LOAD_CHECKS: load_checks,
}
DECLARES_NOTHING = '"""A file that forgot its decorator."""\n'

CRITERION = '''
from torch import Tensor

from compress_core.selection.scores import Scores
from compress_core.techniques.contract.technique import technique


@technique
def alphabetical(weight: Tensor) -> Scores:
    """Weights go by the first letter of their row.

    Nobody 2026, A criterion for a test.
    """
    return Scores(weight)
'''
METRIC = '''
from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions


@metric(
    title="Items on Monday",
    unit="item",
    direction="higher",
    needs_labels=False,
    order=0,
    shown=Shown.HEADLINE | Shown.HEADER | Shown.TILE,
)
def mondays(after: Predictions) -> Number:
    """How many items were seen on a Monday.

    Nobody 2026, A metric for a test.
    """
    return Number(4321, "item", "measured", n=after.n)
'''
METHOD = '''
from torch import Tensor, nn

from compress_core.measure.explain.attribution import Question, attribution_method, needs_scores


@attribution_method(order=0, refusal=needs_scores)
def sevens(network: nn.Module, question: Question) -> Tensor:
    """Every part of the input speaks for the class alike.

    Nobody 2026, A method for a test.
    """
    return 0 * question.inputs + 7
'''

RUNTIME = '''
from compress_core.loading.file_format import item_formats, weight_formats
from compress_core.loading.load_check import load_checks
from compress_core.loading.upload import read_state
from compress_core.measure.speed.runtime import BatchFunction, TimedModel, Who, in_torch, runtime


@runtime(
    title="Abacus of a test",
    base="torch",
    order=0,
    who=Who.BOTH,
    reason=lambda _ratio, batch, _facts: f"Beads are moved {batch} at a time.",
)
def abacus(side: TimedModel) -> BatchFunction:
    """The network, slowly."""
    return in_torch(side.network)
'''


WEIGHT_FORMAT = """
from compress_core.loading.file_format import begins_with, weight_format
from compress_core.loading.safetensors_file import declared_in_safetensors
from compress_core.loading.stored import AskedWeights, DeclaredWeights


@weight_format(
    title="suitcases of a test",
    order=0,
    recognizes=begins_with(b"CASE"),
    suffixes=("suitcase",),
    written_by="packing a suitcase",
)
def suitcase(content: bytes, asked: AskedWeights) -> DeclaredWeights:
    return DeclaredWeights(declared_in_safetensors(content[4:], asked.caps))
"""
ITEM_FORMAT = """
import numpy as np

from compress_core.loading.file_format import ItemArrays, ItemCaps, begins_with, item_format


@item_format(
    title="shoeboxes of a test",
    order=0,
    recognizes=begins_with(b"SHOE"),
    suffixes=("shoebox",),
    written_by="packing a shoebox",
)
def shoebox(_content: bytes, _caps: ItemCaps) -> ItemArrays:
    return ItemArrays(np.ones((5, 30), np.float32), np.zeros(5, np.int64))
"""


EXPORT_FORMAT = """
from functools import partial

from compress_core.apply.model import Model
from compress_core.deliver.export_format import Written, export_format


@export_format(
    title="Postcard of a test",
    what="A greeting.",
    needs="a mailbox",
    ending="card",
    brief="one side only",
    order=9,
)
def postcard(model: Model) -> Written:
    from compress_core.deliver.onnx_session import predictions_in_torch

    return Written({"greeting.card": b"Dear all"}, partial(predictions_in_torch, model.network(), key="card"))
"""


def printed(*arguments: str) -> str:
    """What the program prints."""
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def texts(app: AppTest) -> str:
    """All the Markdown, captions and words on popovers of a page in one string."""
    assert not app.exception, [e.message for e in app.exception]
    said = [str(element.value) for element in [*app.markdown, *app.caption, *app.table]]
    return "\n".join([*said, *on_popovers(app._tree)])


def on_popovers(node: Node) -> Iterator[str]:
    """What stands on every popover."""
    proto = getattr(node, "proto", None)
    yield getattr(getattr(proto, "popover", None), "label", "")
    for child in getattr(node, "children", {}).values():
        yield from on_popovers(child)


@pytest.fixture(autouse=True)
def known_techniques(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is declared in a test is gone behind it."""
    techniques()
    monkeypatch.setattr(contract, "_REGISTRY", dict(contract._REGISTRY))
    monkeypatch.setattr(contract, "_load", lru_cache(contract._load.__wrapped__))


def test_a_criterion_in_a_file_of_its_own_is_offered_and_scores(plant: Plant) -> None:  # noqa: F811
    plant(TECHNIQUES, "alphabetical", CRITERION)
    assert "alphabetical" in printed("techniques")
    assert "recipe" in printed("evaluate", "tabular", "--step", "*: alphabetical sparsity=0.5")
    tune = opened("tune")
    assert any("Alphabetical" in box.options for box in tune.selectbox)


def test_a_metric_in_a_file_of_its_own_stands_on_the_pages_and_on_the_command_line(plant: Plant) -> None:  # noqa: F811
    plant(METRICS, "mondays", METRIC)
    shown = texts(opened("behavior", recipe=PRUNED))
    assert shown.count("Items on Monday") == 3, "in the headline, in its box and as a tile"
    assert "4,321" in shown
    assert "Items on Monday" in printed("evaluate", "tabular")
    assert '"mondays"' in printed("compare", "tabular", "--step", "*: magnitude sparsity=0.5", "--json")


def test_a_method_in_a_file_of_its_own_is_on_offer_and_explains(plant: Plant) -> None:  # noqa: F811
    plant(METHODS, "sevens", METHOD)
    assert offered_methods(nn.Linear(3, 2), torch.zeros(1, 3))[0].name == "sevens"
    app = opened("explain", "tabular", [["fc1", [{"technique": "magnitude", "sparsity": 0.5}]]])
    assert not app.exception
    method = next(group for group in app.button_group if group.label == "Method")
    assert "Sevens" in method.options
    step = ("--step", "*: magnitude sparsity=0.5")
    assert "sevens on 3 of" in printed("explain", "tabular", *step, "--method", "sevens", "--items", "3")


@pytest.mark.parametrize(("package", "found"), KINDS.items())
@pytest.mark.parametrize("source", [DECLARES_NOTHING, METRIC + METHOD], ids=["nothing", "another"])
def test_a_file_that_does_not_declare_what_it_is_called_is_our_own_mistake(
    plant: Plant,  # noqa: F811
    package: str,
    found: Callable[[], Mapping[str, object]],
    source: str,
) -> None:
    plant(package, "forgotten", source)
    with pytest.raises(AssertionError, match=f"{package}.forgotten must declare forgotten"):
        found()


def test_files_that_are_gone_are_found_no_more() -> None:
    planted = {"alphabetical", "mondays", "sevens", "abacus", "suitcase", "shoebox", "postcard"}
    assert not planted & {name for found in KINDS.values() for name in found()}


def test_a_runtime_in_a_file_of_its_own_is_timed_explained_and_printed(plant: Plant) -> None:  # noqa: F811
    plant(RUNTIMES, "abacus", RUNTIME)
    step = ("--step", "*: magnitude sparsity=0.5")
    options = ("--no-onnx", "--no-variants", "--rounds", "5", "--batch", "2")
    shown = printed("latency", "tabular", *step, *options)
    bars = [line for line in shown.splitlines() if line.startswith("Abacus of a test")]
    assert [("original" in bar, "compressed" in bar) for bar in bars] == [(True, False), (False, True)]
    assert "Beads are moved 2 at a time." in bars[1]
    assert "abacus:compressed: " in shown, "its answers are compared with those that were evaluated"


def test_a_result_of_a_runtime_that_is_gone_is_refused() -> None:
    with pytest.raises(Refused, match=r"no runtime 'abacus'.*torch_bf16"):
        runtime_named("abacus")


def test_a_format_of_weights_in_a_file_of_its_own_is_taken_by_page_and_command(
    plant: Plant,  # noqa: F811
    tmp_path: Path,
) -> None:
    plant(WEIGHT_FORMATS, "suitcase", WEIGHT_FORMAT)
    start = AppTest.from_file(APP, default_timeout=90).run()
    weights, items = start.get("file_uploader")
    assert "suitcase" in " ".join(weights.proto.type)
    assert "suitcase" not in " ".join(items.proto.type)
    path = tmp_path / "model.suitcase"
    path.write_bytes(b"CASE" + save({"0.weight": torch.ones(3, 4), "0.bias": torch.ones(3)}))
    assert "15 parameters" in printed("layers", str(path))
    with pytest.raises(Refused, match=r"suitcases of a test.*packing a suitcase"):
        read_state(b"no such bytes", "model")


def test_a_format_of_items_in_a_file_of_its_own_is_taken_by_page_and_command(
    plant: Plant,  # noqa: F811
    tmp_path: Path,
) -> None:
    plant(ITEM_FORMATS, "shoebox", ITEM_FORMAT)
    start = AppTest.from_file(APP, default_timeout=90).run()
    assert "shoebox" in " ".join(start.get("file_uploader")[1].proto.type)
    path = tmp_path / "items.shoebox"
    path.write_bytes(b"SHOE")
    assert "5 items" in printed("evaluate", "tabular", "--data", str(path))


def test_an_export_format_in_a_file_of_its_own_is_offered_written_and_tried(
    plant: Plant,  # noqa: F811
    tmp_path: Path,
) -> None:
    plant(EXPORT_FORMATS, "postcard", EXPORT_FORMAT)
    step = ("--step", "*: magnitude sparsity=0.5")
    shown = printed("export", "tabular", *step, "--to", "postcard", "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "greeting.card").read_bytes() == b"Dear all"
    assert "same_class" in shown
    deploy = opened("deploy", "tabular", [["fc1", [{"technique": "magnitude", "sparsity": 0.5}]]])
    assert "Postcard of a test" in texts(deploy)
    assert "deploy.make.postcard" in [button.key for button in deploy.button]
