"""What `deploy/` says is what its programs understand: words of commands, settings, and what goes along."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SET = {
    "SLIMSCOPE_HOST": "slim.example.org",
    "SLIMSCOPE_LOGIN": "class",
    "SLIMSCOPE_PASSWORD_HASH": "$2a$14$abc",
}
_NAMED = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def composed(around: dict[str, str]) -> dict[str, Any]:
    """The services as compose reads them: a name in braces stands for what the environment says."""

    def said(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        assert name in around or kind == "-", f"{name} is not set: {rest}"
        return around.get(name) or rest or ""

    services: dict[str, Any] = yaml.safe_load(_NAMED.sub(said, (DEPLOY / "compose.yaml").read_text()))[
        "services"
    ]
    return services


@pytest.mark.slow
def test_the_page_answers_under_the_name_that_people_come_by() -> None:
    """A list in brackets would be a host of that odd name, and nobody would get in."""
    words = shlex.split(composed(SET)["page"]["command"])
    assert words[:5] == ["python", "-m", "streamlit", "run", "app.py"]
    said = subprocess.run(
        [sys.executable, "-m", "streamlit", "config", "show", *words[5:]],
        cwd=DEPLOY.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    server = tomllib.loads(said.stdout[said.stdout.index("[global]") :])["server"]
    assert server["allowedHosts"] == [SET["SLIMSCOPE_HOST"]]
    assert (server["address"], server["port"]) == ("0.0.0.0", 8501)


def test_what_must_be_set_is_asked_for_before_anything_starts() -> None:
    for name in SET:
        with pytest.raises(AssertionError, match=f"{name} is not set"):
            composed({known: value for known, value in SET.items() if known != name})


def test_what_ends_comes_back() -> None:
    """A node of a cluster ends some time after its head."""
    services = composed(SET)
    assert {name: each.get("restart") for name, each in services.items()} == dict.fromkeys(
        services, "unless-stopped"
    )


def test_the_proxy_finds_the_page_where_it_listens() -> None:
    services = composed(SET)
    assert f"reverse_proxy page:{services['page']['expose'][0]}" in (DEPLOY / "Caddyfile").read_text()
    asked = set(re.findall(r"\{\$(\w+)\}", (DEPLOY / "Caddyfile").read_text()))
    assert asked == set(services["proxy"]["environment"]) == set(SET)


def test_an_image_is_made_of_the_project_alone() -> None:
    """Without a list of what stays behind, the history and the environment of a checkout go along."""
    left = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {".git", ".venv", "**/__pycache__"} <= set(left)


def test_machine_code_is_compiled_by_who_runs_it() -> None:
    """What another user compiled is not looked at, and every process would compile for half a minute."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    compiling = [number for number, line in enumerate(lines) if "packing.beforehand" in line]
    assert compiling
    assert min(compiling) > lines.index("USER slimscope")
