"""Generated documentation says what the code says."""

from __future__ import annotations

from pathlib import Path

from scripts.docs import stale

ROOT = Path(__file__).parent.parent


def test_reference_of_the_techniques_is_the_one_the_code_gives() -> None:
    assert stale() == [], "run make docs"


def test_architecture_names_every_runtime_dependency_with_a_reason() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = declared[declared.index("dependencies = [") :].split("]")[0]
    lines = (line.strip(' ",') for line in listed.splitlines()[1:])
    names = [line.split(">")[0].split("=")[0] for line in lines if line]
    assert names
    assert [name for name in names if name and name not in described] == []
