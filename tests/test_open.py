"""One's own network in the page: what is handed over, what travels to a worker, and what cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn
from typer.testing import CliRunner

from compress_core import Refused, load, open_dashboard, read_recipe
from compress_core.apply.lineage import with_recipe
from compress_core.apply.run import resolved_for
from compress_core.cli.commands import app as program
from compress_core.face import open_page
from compress_core.face.page_process import PageRequest, has_screen, port_for
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.jobs.task import content_of
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TRAINING
from dashboard import opened, state
from dashboard.serving import app_file
from dashboard.tune.recipe_view import as_python
from dashboard.view import View
from tests.layer_rows import table_of
from tests.served import LONGEST_S, pages_are_forks

ROOT = Path(__file__).parent.parent
PRUNED = "layers: [{match: head, steps: [{technique: magnitude, sparsity: 0.5}]}]"
CODE = '''
import torch
from torch import nn


class Mixer(nn.Module):
    """Images 3 x 8 x 8, 4 classes; forward as timm writes it."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 2, 2), nn.GELU(), nn.BatchNorm2d(width))
        self.mixed = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.head = nn.Linear(width, 4)

    def forward_features(self, x):
        x = self.stem(x)
        return x + self.mixed(x)

    def forward_head(self, x):
        return self.head(x.mean((2, 3)))

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


def build():
    print("what a visitor's code prints")
    torch.manual_seed(0)
    return Mixer()


def wide():
    return Mixer(16)


def deaf():
    return nn.Sequential(nn.Flatten(), nn.AvgPool1d(48))
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the project with a package of networks and a file of items; the current one."""
    (tmp_path / "their_nets").mkdir()
    (tmp_path / "their_nets" / "mixer.py").write_text(CODE, encoding="utf-8")
    drawn = np.random.default_rng(0)
    images = drawn.normal(size=(60, 3, 8, 8)).astype("float32")
    np.savez(tmp_path / "items.npz", inputs=images, labels=drawn.integers(0, 4, 60))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "their_nets"]:
        del sys.modules[name]


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "_HANDED", {})


def a_page(page: str = "start") -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app = app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    return " ".join(str(element.value) for element in (*app.markdown, *app.warning, *app.caption))


class Local(nn.Module):
    """No other process imports this: the module is the file of a test."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(8, width)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        return self.head(items)


def local() -> object:
    return load(Local(3), torch.randn(20, 8, generator=torch.Generator().manual_seed(0)))


def test_a_network_of_a_factory_travels_with_its_weights_items_and_classes(
    folder: Path, tmp_path: Path
) -> None:
    subject = load("their_nets.mixer:build", "items.npz", classes=("a", "b", "c", "d"))
    again = read_bundle(bundle_of(subject))
    assert content_of(again, "validation") == content_of(subject, "validation")
    assert again.classes == ("a", "b", "c", "d")


READ = """
import sys
from pathlib import Path
from compress_core.jobs.bundle import bundle_in, read_bundle
print(read_bundle(bundle_in(Path(sys.argv[1]))).digest)
"""


@pytest.mark.slow
def test_a_process_in_another_folder_finds_the_factory(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    subject = load("their_nets.mixer:build", "items.npz")
    place = tmp_path_factory.mktemp("worker")
    for name, content in bundle_of(subject).items():
        (place / name).write_bytes(content)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", READ, place]
    said = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == subject.digest


def test_a_live_network_travels_by_its_class_with_the_weights_it_has_now(
    folder: Path, tmp_path: Path
) -> None:
    sys.path.insert(0, str(folder))
    from their_nets.mixer import Mixer

    network = Mixer()
    subject = load(network, "items.npz")
    assert subject.origin.factory == "their_nets.mixer:Mixer"
    assert subject.origin.folder == str(folder)
    assert read_bundle(bundle_of(subject)).digest == subject.digest


def test_a_factory_says_how_a_network_with_arguments_is_built(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    from their_nets.mixer import Mixer

    with pytest.raises(Refused, match=r"cannot build their_nets\.mixer:Mixer"):
        bundle_of(load(Mixer(16), "items.npz"))
    assert bundle_of(load(Mixer(16), "items.npz", factory="their_nets.mixer:wide"))
    with pytest.raises(Refused, match=r"do not fit the network"):
        load(Mixer(16), "items.npz", factory="their_nets.mixer:build")


def test_a_class_that_no_other_process_can_build_is_loaded_and_its_jobs_are_refused_with_the_reason() -> None:
    subject = local()
    with pytest.raises(Refused, match=r"cannot build .*Local .*give factory="):
        bundle_of(subject)


def test_a_request_survives_the_way_to_the_page() -> None:
    request = PageRequest(8501, "lenet5", items="a b.npz", input_shape=(1, 28, 28), recipe=PRUNED)
    assert PageRequest.read(request.as_json()) == request
    assert PageRequest.read(PageRequest(1, "x").as_json()) == PageRequest(1, "x")


def test_a_port_that_is_taken_is_refused() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Refused, match="cannot be served"):
            port_for(taken.getsockname()[1])
    assert 0 < port_for(None) < 65536


@pytest.mark.parametrize(
    ("variables", "sees"), [({}, False), ({"DISPLAY": ":0"}, True), ({"DISPLAY": ":0", "CI": "1"}, False)]
)
def test_a_browser_is_opened_only_where_there_is_a_screen(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sees: bool
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_screen() is sees


def test_the_app_and_its_settings_lie_where_the_server_looks() -> None:
    assert app_file().is_file()
    assert (app_file().parent / "pages" / "tune.py").is_file()
    assert "allowedHosts" in (app_file().parent / ".streamlit" / "config.toml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("handed")
def test_a_server_without_a_model_begins_without_one() -> None:
    assert opened.first_model() is None
    assert state.KEY not in a_page().session_state


@pytest.mark.slow
@pytest.mark.usefixtures("handed")
def test_a_model_that_was_handed_over_is_on_start_and_open_on_tune(folder: Path) -> None:
    given = opened.hand_over(load("their_nets.mixer:build", "items.npz"), None)
    app = a_page()
    assert "their\\_nets" in shown(app)
    assert app.query_params["m"] == given.name
    assert table_of(a_page("tune"))["chosen"] == "stem.0"


@pytest.mark.slow
@pytest.mark.usefixtures("handed")
def test_the_recipe_that_came_along_is_an_edit_that_undo_takes_back(folder: Path) -> None:
    opened.hand_over(load("their_nets.mixer:build", "items.npz"), read_recipe(PRUNED))
    app = a_page("tune")
    assert app.session_state[state.KEY].recipe
    app.button(key="slimscope.undo").click().run()
    assert not app.session_state[state.KEY].recipe


def test_the_program_that_tune_shows_loads_the_network_from_its_factory(folder: Path) -> None:
    subject = load("their_nets.mixer:build", "items.npz")
    recipe = resolved_for(subject, read_recipe(PRUNED), Store())
    view = View(opened.user_model_name(subject), with_recipe((), recipe), "head")
    names: dict[str, object] = {}
    exec(as_python(view, subject), names)
    assert names["small"].subject.digest == subject.digest


@pytest.mark.usefixtures("handed")
def test_a_plain_sample_keeps_its_name_in_links() -> None:
    assert opened.hand_over(load("lenet300"), None, is_sample=True).name == "lenet300"
    assert opened.hand_over(load("lenet300"), None).name.startswith("own-")


@pytest.mark.usefixtures("handed")
def test_the_latest_model_is_the_first_one_sees_and_a_withdrawn_one_is_gone() -> None:
    first = opened.hand_over(load("lenet300"), None)
    second = opened.hand_over(local(), None)
    assert opened.first_model() == second
    opened.withdraw(second)
    assert opened.first_model() == first
    assert list(opened.handed_over()) == [first.name]


@pytest.mark.usefixtures("handed")
def test_what_cannot_be_worked_on_is_not_served(folder: Path) -> None:
    with pytest.raises(Refused, match=r"No layer of .* can be compressed"):
        opened.hand_over(load("their_nets.mixer:deaf", "items.npz"), None)
    with pytest.raises(Refused, match="nowhere"):
        opened.hand_over(local(), read_recipe("layers: [{match: nowhere, steps: [magnitude]}]"))
    assert opened.first_model() is None


@pytest.mark.slow
@pytest.mark.usefixtures("handed")
def test_a_job_on_a_class_that_cannot_travel_says_why_on_the_page() -> None:
    opened.hand_over(local(), read_recipe(PRUNED))
    app = a_page("explain")
    next(button for button in app.button if button.label == "Explain 20 items").click().run()
    assert not app.exception
    assert "put the class into a" in shown(app)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("their_nets.mixer:nothing",), "cannot be imported"),
        (("their_nets.mixer:deaf", "--data", "items.npz"), "No layer of"),
        (("lenet300", "--data", "nowhere.npz"), "nowhere.npz cannot be read"),
        (("lenet300", "--recipe", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("lenet300", "--port", "70000"), "--port"),
    ],
)
def test_what_cannot_be_opened_ends_with_code_2_and_a_sentence(
    folder: Path, arguments: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pages_are_forks():
        ended = CliRunner().invoke(program, ["open", *arguments])
    told = ended.stderr + capfd.readouterr().err  # the page speaks for itself
    assert ended.exit_code == 2
    assert says in told
    assert "Traceback" not in told


def test_open_is_a_command_with_help() -> None:
    assert "open" in [command.name for command in program.registered_commands]


def answers(address: str) -> int | None:
    try:
        with urllib.request.urlopen(address, timeout=LONGEST_S) as page:
            return page.status
    except (URLError, ConnectionError):
        return None


@pytest.mark.slow
def test_a_live_network_is_served_by_a_process_that_ends_with_close(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sys.path.insert(0, str(folder))
    from their_nets.mixer import Mixer

    page = open_dashboard(Mixer(), "items.npz", recipe=PRUNED, wait=False)
    try:
        assert answers(page.address) == 200
        assert page.no_jobs == ""
        assert page.address in capfd.readouterr().out
        assert page.address in page._repr_html_()
    finally:
        page.close()
    page.wait()
    assert answers(page.address) is None


def test_a_live_network_goes_to_its_page_with_what_it_trains_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sys.path.insert(0, str(folder))
    from their_nets.mixer import Mixer

    served: list[Subject] = []
    monkeypatch.setattr(
        open_page, "_elsewhere", lambda subject, *_: (served.append(subject), (1, lambda: None))[1]
    )
    drawn = np.random.default_rng(7)
    images = drawn.normal(size=(30, *np.load("items.npz")["inputs"].shape[1:])).astype("float32")
    training = (images, drawn.integers(0, 4, 30))
    open_dashboard(Mixer(), "items.npz", training=training, wait=False).close()
    found = read_bundle(bundle_of(served[0])).split(TRAINING)
    assert np.array_equal(found.inputs.numpy(), images)


IN_MAIN = """
import json, sys, urllib.request
import torch
from torch import nn
from compress_core import open_dashboard

class Here(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.head = nn.Linear(8, width)
    def forward(self, items):
        return self.head(items)

pages = [open_dashboard(Here(n), torch.randn(20, 8), wait=False) for n in (3, 4)]
statuses = [urllib.request.urlopen(page.address).status for page in pages]
pages[1].close()
print(json.dumps([statuses, pages[0].address == pages[1].address, pages[0].no_jobs]))
"""


@pytest.mark.slow
def test_a_class_of_a_script_is_served_by_the_script_itself_which_says_why_it_does_no_jobs() -> None:
    command = [sys.executable, "-c", IN_MAIN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    statuses, same, why = json.loads(ended.stdout.splitlines()[-1])
    assert statuses == [200, 200]
    assert same, "a process has one server"
    assert "cannot build __main__:Here" in why
