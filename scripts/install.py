"""Make .venv and install the project into it, once: `python3 scripts/install.py run|dev [arguments of pip]`.

Nothing happens when .venv already holds what pyproject.toml and constraints.txt ask for. A .venv that
came along with a moved or copied checkout is made anew, because its programs point to the old place.
Uses the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "slimscope.json"
OLDEST = (3, 11)
WANTED = {"run": ".", "dev": ".[dev]"}


def wanted_digest() -> str:
    """The sha-256 of the two files that say what to install."""
    content = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    return hashlib.sha256(content).hexdigest()


def installed() -> dict[str, str]:
    """What the stamp in .venv says of it: place, digest and kind; empty without one."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in stamp.items()} if isinstance(stamp, dict) else {}


def is_current(kind: str) -> bool:
    """Whether .venv holds this kind of installation or more."""
    stamp = installed()
    kinds = {kind, "dev"}
    return (
        PYTHON.exists()
        and stamp.get("place") == str(ROOT)
        and stamp.get("digest") == wanted_digest()
        and stamp.get("kind") in kinds
    )


def make_environment() -> None:
    """Make .venv where it is missing, broken or from another place."""
    moved = installed().get("place", str(ROOT)) != str(ROOT)
    if PYTHON.exists() and not moved and _runs(PYTHON, "-m", "pip", "--version"):
        return
    if VENV.is_symlink():
        VENV.unlink()  # what it leads to is somebody else's
    shutil.rmtree(VENV, ignore_errors=True)
    if _runs(sys.executable, "-m", "venv", str(VENV)):
        return
    # Debian keeps ensurepip in a package of its own: the pip at hand fills an environment without it.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    subprocess.run([sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "pip"], check=True)


def install(kind: str, pip_arguments: list[str]) -> None:
    """Install the project, editable, with the exact versions of constraints.txt; compile what packs files."""
    stamp = {"place": str(ROOT), "digest": wanted_digest(), "kind": kind}
    make_environment()
    STAMP.unlink(missing_ok=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", "constraints.txt", "-e", WANTED[kind], *pip_arguments], check=True, cwd=ROOT)
    subprocess.run([str(PYTHON), "-m", "compress_core.deliver.packing.beforehand"], check=True, cwd=ROOT)
    STAMP.write_text(json.dumps(stamp), encoding="utf-8")


def _runs(*command: str | Path) -> bool:
    finished = subprocess.run([str(c) for c in command], capture_output=True, check=False)
    return finished.returncode == 0


def main() -> int:
    """Install what the first argument names; the others go to pip."""
    kind, *pip_arguments = sys.argv[1:] or ["run"]
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        print(f"Slimscope needs Python 3.11 or newer, this is {found}. Try: make run PYTHON=python3.12")
        return 2
    if kind not in WANTED:
        print(f"Unknown kind {kind!r}: say run or dev.")
        return 2
    if is_current(kind):
        return 0
    print("Installing into .venv. This happens once and takes some minutes.", flush=True)
    try:
        install(kind, pip_arguments)
    except subprocess.CalledProcessError as error:
        print(f"The installation stopped (status {error.returncode}). What pip said stands above.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
