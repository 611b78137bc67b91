"""Find the browser of the tests, or get one: `python scripts/browser.py` prints what it took.

In this order: SLIMSCOPE_BROWSER, a Chromium or Chrome on the path, Playwright's own, and on a Debian
where we are root a package of it. Without root no system package is ever touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE = "SLIMSCOPE_BROWSER"
NAMES = (
    "chromium-headless-shell",  # the same engine without what only a window has, a seventh less work
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
PACKAGES = ("chromium-headless-shell", "chromium")  # older releases have the second alone
DOWNLOAD_SECONDS = 300
NONE_FOUND = (
    f"No Chromium or Chrome was found for the browser tests. Install one, or set {VARIABLE} to its program, "
    "or run: playwright install chromium"
)


def find_browser() -> str | None:
    """The program of a browser that is there and starts, None without one. Installs nothing."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return chosen
    return _found_on_path() or _playwrights_own()


def provide_browser() -> str | None:
    """The program of a browser, downloaded or installed where none is there; None if that fails."""
    return find_browser() or _downloaded() or _installed_by_apt()


def _found_on_path() -> str | None:
    programs = (shutil.which(name) for name in NAMES)
    return next((p for p in programs if p is not None and _starts(p)), None)


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = playwright.chromium.executable_path
    return program if Path(program).exists() and _starts(program) else None


def _downloaded() -> str | None:
    print("No browser found; asking Playwright for its Chromium.", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        subprocess.run(command, check=True, timeout=DOWNLOAD_SECONDS, stdout=sys.stderr)
    except (OSError, subprocess.SubprocessError):
        return None
    return _playwrights_own()


def _installed_by_apt() -> str | None:
    if not (_is_root() and Path("/etc/debian_version").exists()):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    try:
        subprocess.run([*quiet, "update"], check=False, env=environment)
    except OSError:
        return None
    return next(
        (found for package in PACKAGES if (found := _with_package(package, quiet, environment))), None
    )


def _with_package(package: str, apt: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The browser that is on the path once a package was installed; None where that fails."""
    print(f"Installing the package {package} with apt-get, as root on Debian.", flush=True)
    command = [*apt, "install", "-y", "--no-install-recommends", package, "fonts-liberation"]
    try:
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None
    return _found_on_path()


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _starts(program: str) -> bool:
    """Some programs of that name only say that a package is missing, or lack a system library."""
    try:
        finished = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return finished.returncode == 0


def main() -> int:
    """Print the browser that was taken; status 1 and a sentence without one."""
    browser = provide_browser()
    print(NONE_FOUND if browser is None else f"Browser of the tests: {browser}", flush=True)
    return 0 if browser else 1


if __name__ == "__main__":
    sys.exit(main())
