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


CHINESE = ROOT / "dashboard" / "locale" / "zh" / "LC_MESSAGES"
GIVEN_UP_IN_CHINESE = {
    "随机基线": "随机参照, the random floor",
    "普通文件": "定长文件, the plain file",
    "原始模型": "原模型, the original",
    "切除|裁剪": "裁去, to cut out",
    "加载": "载入, to load",
    "数据划分": "划分, a split",
    "翻转": "改变, a prediction that flipped",
    "盈亏平衡": "临界, break-even",
    "(?<!随机)种子": "随机种子, a seed",
    "裁去或去除|一起去掉": "移除, a block that is left out",
}


@pytest.mark.parametrize(("word", "instead"), GIVEN_UP_IN_CHINESE.items(), ids=GIVEN_UP_IN_CHINESE.values())
def test_one_term_has_one_chinese_word(word: str, instead: str) -> None:
    found = []
    for path in sorted(CHINESE.glob("*.po")):
        with path.open("rb") as file:
            found += [str(m.string) for m in read_po(file) if m.id and re.search(word, str(m.string))]
    assert found == [], instead


def test_the_chinese_name_of_a_split_says_once_that_it_is_one() -> None:
    """A placeholder is filled with 验证集 or 测试集: neither 集 nor 划分 follows."""
    found = []
    for path in sorted(CHINESE.glob("*.po")):
        with path.open("rb") as file:
            said = [str(m.string).replace("{split}", "验证集") for m in read_po(file) if m.id]
        found += [text for text in said if re.search(r"集 *(集|划分)", text)]
    assert found == []
