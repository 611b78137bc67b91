"""Start: a demo in one click, every sample opens, one's own model is read or refused in a sentence."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest, app_test
from torch import Tensor, nn

from compress_core.loading.cards import cards, sample_folder
from compress_core.loading.file_reader import FileReader
from compress_core.recipe.reading import parse_recipe
from compress_core.recipe.resolving import resolve
from dashboard import engine, header, state
from dashboard.start import opening, upload_model
from dashboard.start.digits import strip
from dashboard.start.sample_cards import accuracy_text
from dashboard.text import languages, literal
from dashboard.view import View
from tests.layer_rows import table_of
from tests.navigated import Navigated

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

ROOT = Path(__file__).parent.parent
READ, TUNE = "slimscope.start.read", "slimscope.start.tune"
FEATURES, CLASSES = 8, 3


def _nothing(*_arguments: object, **_named: object) -> None:
    """Do without."""


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "_fill_accuracy", _nothing)  # slow, and tested elsewhere
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    # AppTest looks through every installed distribution for components, each time it starts
    monkeypatch.setattr(BidiComponentManager, "discover_and_register_components", _nothing)


def started(language: str = "en") -> AppTest:
    """The app on its first page, in a new session."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["lang"] = language
    return assert_fine(app.run())


def assert_fine(app: AppTest) -> AppTest:
    assert not app.exception, [error.message for error in app.exception]
    return app


def clicked(app: AppTest, key: str) -> AppTest:
    return assert_fine(app.button(key=key).click().run())


def view(app: AppTest) -> View:
    found: View = app.session_state[state.KEY]
    return found


def uploaded(app: AppTest, weights: bytes, name: str, items: bytes | None = None) -> AppTest:
    """Read these files on Start; earlier ones are taken out of the uploaders."""
    of_weights, of_items = app.file_uploader
    of_weights.clear().upload(name, weights)
    of_items.clear()
    if items is not None:
        of_items.upload("items.npz", items)
    return clicked(assert_fine(app.run()), READ)


def state_dict_file(tensors: dict[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def own_mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, CLASSES))


def items_of(network: nn.Module, *, labeled: bool) -> bytes:
    """Items whose labels are what the network says."""
    inputs = torch.randn(40, FEATURES, generator=torch.Generator().manual_seed(1))
    if not labeled:
        return npz(inputs=inputs.numpy())
    with torch.no_grad():
        return npz(inputs=inputs.numpy(), labels=network(inputs).argmax(1).numpy())


def shown(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption])


@pytest.mark.parametrize("language", languages())
def test_start_stands_in_every_language(language: str) -> None:
    app = started(language)
    assert len(app.title) == 1
    assert {f"slimscope.start.sample.{name}" for name in cards()} <= {button.key for button in app.button}


@pytest.mark.parametrize("language", languages())
def test_the_demo_is_one_click_away_on_tune_with_its_recipe(language: str) -> None:
    app = clicked(started(language), "slimscope.start.demo")
    found = view(app)
    assert (found.model, found.layer) == (opening.DEMO_MODEL, opening.DEMO_LAYER)
    assert found.recipe == resolve(parse_recipe(opening.DEMO), ["conv1", "conv2", "fc1", "fc2"])
    assert any(button.key == "slimscope.undo" and not button.disabled for button in app.button)
    assert table_of(app)["chosen"] == opening.DEMO_LAYER
    assert app.query_params["lang"] == language


@pytest.mark.parametrize("name", list(cards()))
def test_every_sample_opens_on_tune_unchanged(name: str) -> None:
    app = clicked(started(), f"slimscope.start.sample.{name}")
    assert view(app).model == name
    assert not view(app).recipe.layers
    assert app.query_params["m"] == name


@pytest.mark.parametrize(
    ("door", "title"),
    [
        ("explore", "What does this layer do to me?"),
        ("review", "Who is hurt?"),
    ],
)
def test_every_door_leads_to_its_page_with_the_demo(door: str, title: str) -> None:
    app = clicked(started(), f"slimscope.start.door.{door}")
    assert app.title[0].value == title
    assert view(app).recipe.by_layer[opening.DEMO_LAYER]


def test_whoever_wants_to_show_why_it_works_comes_to_the_lessons_and_no_model_is_opened_for_that() -> None:
    app = clicked(started(), "slimscope.start.door.teach")
    assert app.title[0].value == "Why does it work?"
    assert state.KEY not in app.session_state


def test_opening_another_model_loses_no_work() -> None:
    app = clicked(started(), "slimscope.start.demo")
    demo = view(app)
    clicked(assert_fine(app.switch_page("pages/start.py").run()), "slimscope.start.sample.tabular")
    assert view(app).model == "tabular"
    clicked(assert_fine(app.switch_page("pages/start.py").run()), "slimscope.start.recent.lenet5")
    assert (view(app).recipe, view(app).past) == (demo.recipe, demo.past)
    assert view(app).version > demo.version


def test_a_card_says_accuracy_interval_and_number_of_items() -> None:
    card = cards()["lenet5"]
    share = card.accuracy["validation"]
    right, counted_on = accuracy_text(share)
    on_page = shown(started())
    assert right in on_page
    assert counted_on in on_page
    assert all(f"{100 * number:.2f}" in right for number in (share.value, share.low, share.high))
    assert f"{share.n:,}" in counted_on


@pytest.mark.parametrize("kind", ["safetensors", "state dict"])
def test_the_weights_of_a_sample_are_recognized_and_bring_its_items(kind: str) -> None:
    file = sample_folder() / "lenet300" / cards()["lenet300"].weights
    content = file.read_bytes() if kind == "safetensors" else state_dict_file(load_file(file))
    app = uploaded(started(), content, "mine.bin")
    assert "LeNet\\-300\\-100" in shown(app)
    assert state.KEY not in app.session_state
    clicked(app, TUNE)
    found = app.session_state[state.UPLOADS][view(app).model]
    assert len(found.split("validation")) == cards()["lenet300"].accuracy["validation"].n
    assert found.classes == cards()["lenet300"].classes


@pytest.mark.parametrize("labeled", [True, False], ids=["labeled", "unlabeled"])
def test_an_mlp_of_ones_own_is_read_with_its_items_and_judged(labeled: bool) -> None:
    network = own_mlp()
    items = items_of(network, labeled=labeled)
    app = uploaded(started(), save(network.state_dict()), "mine.safetensors", items)
    assert ("without labels" in shown(app)) is not labeled
    clicked(app, TUNE)
    found = app.session_state[state.UPLOADS][view(app).model]
    assert tuple(found.by_name) == ("0", "2")
    assert found.input.shape == (FEATURES,)
    assert len(found.split("validation")) == 40
    assert_fine(app.switch_page("pages/behavior.py").run())
    assert app.title[0].value == "Who is hurt?"


@pytest.mark.parametrize(
    ("weights", "items", "said"),
    [
        (b"no model at all", None, "none of these: safetensors, PyTorch state dict"),
        (state_dict_file({}), None, ""),
        (save({"odd": torch.zeros(2, 2, 2)}), None, ""),
        (save(own_mlp().state_dict()), b"no items", "none of these: a .zip of pictures, .npz, .npy"),
        (save(own_mlp().state_dict()), npz(inputs=np.zeros((5, FEATURES + 1))), str(FEATURES)),
    ],
    ids=["no model", "empty", "another architecture", "no items", "items of another shape"],
)
def test_what_cannot_be_read_gets_a_sentence_and_changes_nothing(
    weights: bytes, items: bytes | None, said: str
) -> None:
    app = clicked(started(), "slimscope.start.sample.tabular")
    before = view(app)
    uploaded(assert_fine(app.switch_page("pages/start.py").run()), weights, "file.bin", items)
    assert len(app.warning) == 1
    assert said in app.warning[0].value.replace("\\", "")
    assert view(app) == before
    assert state.UPLOADS not in app.session_state
    assert app.file_uploader[0].value.name == "file.bin"


def test_files_that_were_read_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", lambda *which: removed.append(which[2]))
    network = own_mlp()
    app = uploaded(started(), save(network.state_dict()), "mine.safetensors", items_of(network, labeled=True))
    assert [uploader.value for uploader in app.file_uploader] == [None, None]
    assert len(set(removed)) == 2


def test_a_file_that_takes_too_much_to_read_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = FileReader((sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    monkeypatch.setattr(engine, "reader", lambda: gone)
    app = uploaded(started(), save(own_mlp().state_dict()), "mine.safetensors")
    assert "takes more than 5 seconds of processor time or 400 MiB of memory" in app.warning[0].value


def test_broken_weights_are_shown() -> None:
    tensors = own_mlp().state_dict()
    tensors["2.weight"][0, :2] = torch.tensor([float("nan"), float("inf")])
    app = uploaded(started(), save(tensors), "broken.safetensors")
    assert [error.value for error in app.error] == ["Layer 2 is NaN or infinite in 2 of its weights."]


def test_a_session_keeps_the_last_models_and_never_drops_the_open_one() -> None:
    app = uploaded(started(), save(own_mlp(0).state_dict()), "first.safetensors")
    clicked(app, TUNE)
    opened = view(app).model
    assert_fine(app.switch_page("pages/start.py").run())
    for number in range(1, upload_model.MOST_KEPT + 1):
        uploaded(app, save(own_mlp(number).state_dict()), f"number{number}.safetensors")
    kept = app.session_state[state.UPLOADS]
    assert [kept[name].title for name in kept] == ["first", "number2", "number3"]
    assert opened in kept
    assert len(app.info) == 1
    assert "number1" in app.info[0].value


def test_a_file_name_is_shown_and_never_rendered() -> None:
    name = "![x](http:**bold**)"
    app = uploaded(started(), save(own_mlp().state_dict()), f"{name}.safetensors")
    assert literal(name) in shown(app)
    assert name not in shown(app)
    assert not any(name in button.label for button in app.button)


def test_the_strip_shows_each_digit_on_no_background() -> None:
    light, dark = strip(dark=False), strip(dark=True)
    assert light.shape[1] == 10 * (light.shape[0] // 3)
    assert np.array_equal(light[..., 3], dark[..., 3])
    assert not light[0, :, 3].any()


_IN_A_NEW_PROCESS = """
import sys
import dashboard.engine
dashboard.engine._import_slow_libraries = lambda: None  # what warms up while the visitor reads
dashboard.engine._compile_what_packs = lambda after: None
import dashboard.state, compress_core.loading.cards
assert "torch" not in sys.modules, "imported by what Start needs"
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=300).run()
assert not app.exception and len(app.title) == 1
assert "torch" not in sys.modules, "imported to draw Start"
"""


def test_start_is_painted_before_torch_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_NEW_PROCESS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_of_a_checkpoint_the_weights_that_are_named_are_taken_and_what_was_done_is_said() -> None:
    plain, average = own_mlp(0).state_dict(), own_mlp(1).state_dict()
    content = state_dict_file({"model": plain, "ema": average, "epoch": torch.tensor(3)})
    app = uploaded(started(), content, "last.ckpt")
    assert any("more than once" in warning.value for warning in app.warning)
    app.text_input(key=upload_model.ENTRY).set_value("ema")
    app = uploaded(app, content, "last.ckpt")
    assert not any("more than once" in warning.value for warning in app.warning)
    assert any("stand under 'ema' in a checkpoint" in text.value for text in app.markdown)
    first, second = app.session_state[state.UPLOADS].values()
    assert torch.equal(first.network.state_dict()["0.weight"], plain["0.weight"])
    assert torch.equal(second.network.state_dict()["0.weight"], average["0.weight"])


def onnx_file(network: nn.Module) -> bytes:
    from tests.onnx_files import by_torch

    return by_torch(network, torch.zeros(2, FEATURES), dynamo=False)


def test_an_onnx_file_opens_as_a_model_and_says_how_it_agrees() -> None:
    network = own_mlp()
    app = uploaded(started(), onnx_file(network), "model.onnx", items_of(network, labeled=True))
    assert any(
        "On 40 items its answers differ from those of ONNX Runtime" in text.value for text in app.markdown
    )
    clicked(app, TUNE)
    found = app.session_state[state.UPLOADS][view(app).model]
    assert [layer.module for layer in found.layers] == ["0", "2"]
    assert torch.equal(found.network.get_submodule("0").weight, network[0].weight)


def test_an_onnx_file_that_is_not_opened_names_its_operators_and_changes_nothing() -> None:
    content = onnx_file(nn.Sequential(nn.Linear(FEATURES, CLASSES), nn.Softmax(1))).replace(
        b"Softmax", b"Softmin"
    )
    app = uploaded(started(), content, "model.onnx")
    assert len(app.warning) == 1
    assert "Softmin ('/1/Softmin')" in app.warning[0].value.replace("\\", "")
    assert state.UPLOADS not in app.session_state
