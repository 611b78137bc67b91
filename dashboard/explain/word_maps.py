"""Words colored by how much they speak for a class, before and after, and the difference, on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.subject.item_words import ItemWords, item_words
from dashboard.figures import palette
from dashboard.figures.words import short
from dashboard.item_number import number_of
from dashboard.number_table import height_of, number_table
from dashboard.show import is_dark
from dashboard.text import _, literal
from dashboard.word_marks.word_marks import WordMarks, WordValues, word_marks

if TYPE_CHECKING:
    from compress_core.foundation.csv_table import Provenance
    from compress_core.measure.explain.explanation import Explanation
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

MOST_PX = 320


def draw(subject: Subject, split: Split, item: int, found: Explanation, target: str, of: Provenance) -> None:
    """The three texts, the same in a sentence, and the numbers to take away."""
    words = item_words(subject.input, split.inputs[item])
    before, after = (maps[0][list(words.places)] for maps in (found.before, found.after))
    marks = WordMarks(
        _("What each word says for {target}, before and after").format(target=target),
        words.texts,
        [(_("Original"), before), (_("Compressed"), after), (_("Difference"), after - before)],
        palette.centered(before, after),
    )
    with st.container(border=True):
        word_marks(marks, "explain.words", dark=is_dark())
        st.caption(literal(words_alternative(words, before, after)))
        with st.expander(_("The numbers of every word")):
            table = words_table(words, before, after)
            shown = table.set_axis(
                [_("place"), _("word"), _("before"), _("after"), _("difference")], axis="columns"
            )
            number_table(shown, "explain.words", of, taken=table, height=height_of(len(table), MOST_PX))


def small(subject: Subject, split: Split, item: int, found: Explanation, place: int, key: str) -> None:
    """Both texts of one item, for a gallery; place: where it stands among the explained ones."""
    words = item_words(subject.input, split.inputs[item])
    before, after = (maps[place][list(words.places)] for maps in (found.before, found.after))
    marks = WordMarks(
        _("Item {item}, original and compressed").format(item=number_of(split, item)),
        words.texts,
        [(_("Original"), before), (_("Compressed"), after)],
        palette.centered(before, after),
    )
    word_marks(marks, f"explain.words.{key}", dark=is_dark())


def words_table(words: ItemWords, before: WordValues, after: WordValues) -> pd.DataFrame:
    """A row for each word that is there."""
    texts = [text.strip() for text in words.texts]
    columns = {"place": words.places, "word": texts, "before": before, "after": after}
    return pd.DataFrame({**columns, "difference": after - before})


def words_alternative(words: ItemWords, before: WordValues, after: WordValues) -> str:
    """Which word is the strongest, and how many turned, in a sentence."""
    if not words.texts:
        return _("The item has no words.")
    first, second = int(np.abs(before).argmax()), int(np.abs(after).argmax())
    turned = int((np.sign(before) * np.sign(after) < 0).sum())
    return _(
        "The strongest word is {before} ({value}) before and {after} ({value_after}) after; {turned} of "
        "{words} words changed sign."
    ).format(
        before=words.texts[first].strip(),
        value=short(float(before[first])),
        after=words.texts[second].strip(),
        value_after=short(float(after[second])),
        turned=turned,
        words=len(words.texts),
    )
