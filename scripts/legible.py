"""Walk every page with its tabs, popovers and lessons in both themes, and say what cannot be read.

    python scripts/legible.py [PAGE ...] [--scheme light|dark] [--width 390] [--lang zh] [--pictures DIR]

PAGE: names of pages, such as `tune learn`; all of them without one. A server of its own is started on
127.0.0.1 with a workspace that is thrown away. Prints a line for each state: how many texts were looked at,
which of them have a contrast below 4.5 to 1 (signs below 3 to 1), and which controls have no name for a
screen reader. Ends with 1 where one was found. Takes about fifteen minutes on two cores. What it does not
see: words that a table draws on its canvas, and controls that cannot be used now, which may be faint.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.error import URLError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402 - the checkout comes first
from playwright.sync_api import Error as BrowserError  # noqa: E402

from dashboard.learn.lesson_files import lessons  # noqa: E402
from dashboard.links import encoded  # noqa: E402
from scripts.browser import NONE_FOUND, find_browser  # noqa: E402
from scripts.page_legibility import Legibility, legibility_of  # noqa: E402
from scripts.page_walk import PATIENCE_MS, PageWalk  # noqa: E402

PAGES = tuple(sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
WORKING = frozenset({"review", "trade_offs", "recover", "deploy"})  # what they show comes with a press
MODEL, SMALL = "lenet300", "tabular"
EDITED = encoded(
    [["fc1", [{"technique": "magnitude", "sparsity": 0.9}, {"technique": "uniform", "bits": 4}]]]
)
FIRST = "start"  # its address is the server's own
THROUGH = "smallest_weights"
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main(words: Sequence[str]) -> int:
    """Walk, print, and give the exit code."""
    told = _told(words)
    program = find_browser()
    if program is None:
        print(NONE_FOUND)
        return 2
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        found = [
            found
            for scheme in ([told.scheme] if told.scheme else _SCHEMES)
            for found in _walked(browser, address, scheme, told)
        ]
        browser.close()
    wrong = sum(bool(each.faint or each.unnamed) for each in found)
    print(
        f"\n{len(found):,} states, {sum(each.texts for each in found):,} texts, {wrong} states to be mended"
    )
    return 1 if wrong else 0


def _told(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=", ".join(PAGES))
    parser.add_argument("--scheme", choices=_SCHEMES)
    parser.add_argument("--width", type=int, default=1366)
    parser.add_argument("--lang", default="en")
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of each state")
    told = parser.parse_args(words)
    strange = set(told.pages) - set(PAGES)
    if strange:
        parser.error(f"no page {', '.join(sorted(strange))}; there are {', '.join(PAGES)}")
    return told


def _walked(
    browser: Browser, address: str, scheme: Literal["light", "dark"], told: argparse.Namespace
) -> Iterator[Legibility]:
    with browser.new_context(viewport={"width": told.width, "height": 768}, color_scheme=scheme) as context:
        for name in told.pages or PAGES:
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            state = name
            try:
                for state in _states(page, address, name, told.lang):
                    yield _looked_at(page, scheme, state, told.pictures)
            except BrowserError as lost:
                reason = str(lost).splitlines()[0]
                print(f"{scheme:5} {name}: lost the way after {state} ({reason})", flush=True)
                yield Legibility(0, 0, (), 0, ("page that is not walked to its end",))
            page.close()


def _looked_at(page: Page, scheme: str, state: str, pictures: Path | None) -> Legibility:
    """Look, print, and keep a picture where one is wanted."""
    found = legibility_of(page)
    print(_line(scheme, state, found), flush=True)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=pictures / f"{_file_name(f'{state} {scheme}')}.png")
    return found


def _states(page: Page, address: str, name: str, lang: str) -> Iterator[str]:
    walk = PageWalk(page, works=name in WORKING)
    if name == FIRST:
        yield from walk.states(f"{address}/?lang={lang}", name)
        return
    link = f"m={SMALL if name in WORKING else MODEL}&r={EDITED}&lang={lang}"
    if name != "learn":
        yield from walk.states(f"{address}/{name}?{link}", name)
        return
    for lesson in lessons():
        here = f"{address}/learn?lesson={lesson}&lang={lang}"
        yield from walk.lesson(here, lesson) if lesson == THROUGH else walk.states(here, lesson)


def _line(scheme: str, state: str, found: Legibility) -> str:
    said = [f"{scheme:5} {state}: {found.texts} texts, {found.controls} controls"]
    said += [f"      {each.contrast:5.2f} {each.kind}: {each.text!r}" for each in found.faint]
    said += [f"      a {role} without a name" for role in found.unnamed]
    return "\n".join(said)


def _file_name(state: str) -> str:
    return re.sub(r"\W+", "-", state).strip("-")[:80]


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of its own, stopped afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    with tempfile.TemporaryDirectory() as workspace:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "SLIMSCOPE_WORKSPACE": workspace}
        with subprocess.Popen(
            [*command, "--server.address=127.0.0.1"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                _wait_until_served(f"http://127.0.0.1:{port}", server)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(20)


def _wait_until_served(address: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):  # noqa: S310 - our own server
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise SystemExit("The server did not answer.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
