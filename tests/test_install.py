"""What the installation takes away: its own environment, and nothing that a link leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import install


def test_an_environment_that_is_a_link_is_replaced_and_what_it_leads_to_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, here = tmp_path / "shared", tmp_path / "checkout" / ".venv"
    (shared / "bin").mkdir(parents=True)
    (shared / "bin" / "python").touch()
    (shared / "slimscope.json").write_text('{"place": "elsewhere"}', encoding="utf-8")
    here.parent.mkdir()
    here.symlink_to(shared)
    monkeypatch.setattr(install, "VENV", here)
    monkeypatch.setattr(install, "PYTHON", here / "bin" / "python")
    monkeypatch.setattr(install, "STAMP", here / "slimscope.json")
    monkeypatch.setattr(install, "_runs", lambda *_: here.mkdir() is None)  # in place of a new environment

    install.make_environment()

    assert here.is_dir()
    assert not here.is_symlink()
    assert sorted(found.name for found in shared.iterdir()) == ["bin", "slimscope.json"]
