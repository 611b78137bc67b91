"""What is built holds all that runs: a wheel, from the source distribution, in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.one_tab import as_new
from tests.served import port_of_this_worker

ROOT = Path(__file__).parent.parent
MADE_HERE = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
BIN = "Scripts" if os.name == "nt" else "bin"
PATIENCE = 120_000
PRIMARY = "rgb(15, 101, 146)"  # of .streamlit/config.toml: another color means that it was not read

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.xdist_group("browser")]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution alone, without network: with the setuptools at hand."""
    place = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, place / "checkout", ignore=MADE_HERE)
    run(sys.executable, "-c", BUILD, "build_sdist", place, cwd=place / "checkout")
    (source,) = place.glob("slimscope-*.tar.gz")
    shutil.rmtree(place / "checkout")
    shutil.unpack_archive(source, place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    run(sys.executable, "-c", BUILD, "build_wheel", place, cwd=unpacked)
    (made,) = place.glob("slimscope-*.whl")
    return made


@pytest.fixture(scope="module")
def clean(wheel: Path) -> Path:
    """An environment with nothing but the wheel; the libraries below it are those of this one."""
    place = wheel.parent / "clean"
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=wheel.parent)
    python = place / BIN / Path(sys.executable).name
    install = ("pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", *install, cwd=wheel.parent)
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip()
    Path(packages, "peers.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return place


def test_the_wheel_holds_every_module_page_setting_and_item_of_the_checkout(wheel: Path) -> None:
    modules = [
        path
        for wing in ("compress_core", "dashboard", "sample_models")
        for path in (ROOT / wing).rglob("*.py")
    ]
    expected = {path.relative_to(ROOT).as_posix() for path in modules}
    app = [ROOT / "app.py", ROOT / ".streamlit" / "config.toml", *(ROOT / "pages").glob("*.py")]
    shipped = (ROOT / "sample_models").rglob("*.npz")
    expected |= {path.relative_to(ROOT).as_posix() for path in shipped}
    expected |= {f"dashboard/_app/{path.relative_to(ROOT).as_posix()}" for path in app}
    with zipfile.ZipFile(wheel) as archive:
        assert not expected - set(archive.namelist())


def test_the_wheel_puts_no_page_and_no_test_beside_other_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "compress_core",
        "dashboard",
        "sample_models",
    }


@pytest.fixture
def opened(clean: Path, tmp_path: Path) -> Iterator[str]:
    """The address that the installed `slimscope open lenet5` prints, outside the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [
        clean / BIN / "slimscope",
        "open",
        "lenet5",
        "--no-browser",
        "--port",
        str(port_of_this_worker()),
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as served:
        try:
            assert served.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/\w*", served.stdout.readline())
            assert found is not None, "the address is the first thing that is said"
            yield found.group()
        finally:
            served.terminate()


def test_the_installed_program_shows_a_model_in_a_browser_with_our_settings(
    clean: Path, opened: str, shared_tab: Page, tmp_path: Path
) -> None:
    python = clean / BIN / Path(sys.executable).name
    places = run(
        python,
        "-c",
        "import dashboard, compress_core as c; print(dashboard.__file__, c.__file__)",
        cwd=tmp_path,
    )
    assert str(ROOT) not in places
    assert all(place.startswith(str(clean)) for place in places.split())
    with as_new(shared_tab, 1280, 720) as page:
        page.set_default_timeout(PATIENCE)
        page.goto(opened)
        header = page.locator(".st-key-slimscope_header")
        expect(header.get_by_text("LeNet-5")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("link", name="Start").click()
        button = page.get_by_role("button", name="Open the demo")
        expect(button).to_have_css("background-color", PRIMARY, timeout=PATIENCE)
