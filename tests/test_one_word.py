"""One word for one thing: words that were given up stand in no text that anybody sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
GIVEN_UP = {
    r"noise floor": "noise ceiling: the most likeness that can be expected",
    r"plain container": "plain file",
    r"\bsamples? (?!models?\b|model's)": "sample model, or items",
    r"(?i)relative squared error|\bdistortion\b|\bMSE\b": "weight error, or output error",
}
ALLOWED = {"one of the samples, or", "architecture of {sample}"}


def _shown() -> list[tuple[str, str]]:
    """Every text of the catalogs and of the glossary, with where it stands."""
    texts = []
    for path in sorted((ROOT / "dashboard" / "locale").glob("*.pot")):
        with path.open("rb") as file:
            texts += [(path.name, str(message.id)) for message in read_po(file) if message.id]
    glossary = ROOT / "docs" / "glossary.md"
    return [*texts, (glossary.name, glossary.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("word", "instead"), GIVEN_UP.items(), ids=list(GIVEN_UP.values()))
def test_a_word_that_was_given_up_stands_nowhere(word: str, instead: str) -> None:
    found = [
        (where, text[max(0, hit.start() - 60) : hit.end() + 60])
        for where, text in _shown()
        for hit in re.finditer(word, text)
    ]
    assert [one for one in found if not any(said in one[1] for said in ALLOWED)] == [], instead
