"""Pages that show an item of text: words on colors, in both themes, and nothing of a picture or a table."""

from __future__ import annotations

import html
from dataclasses import replace

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.recipe.reading import parse_recipe
from compress_core.reviews.evidence_files import page_of
from compress_core.reviews.gate_file import read_gates
from compress_core.subject.input_form import form_from_json
from compress_core.subject.item_words import item_words
from compress_core.subject.subject import Subject
from dashboard import job_panel as jobs
from dashboard import shared_value, state
from dashboard.explain.word_maps import words_alternative, words_table
from dashboard.figures.contrast import LEAST_OF_TEXT, contrast
from dashboard.links import encoded
from dashboard.text import _, use_language
from dashboard.word_marks import word_marks as component
from dashboard.word_marks.word_marks import WordMarks, grounds
from tests.test_architecture import ROOT
from tests.test_named_inputs import WORDS, _answers, _words, reader_network
from tests.test_review import FEW, made

VOCABULARY = tuple(f" word{number}" if number % 5 else f"ing{number}" for number in range(WORDS - 3))
PRUNED = [
    ["hidden", [{"technique": "magnitude", "sparsity": 0.9}]],
    ["words", [{"technique": "magnitude", "sparsity": 0.5}]],
]


def text_subject(items: int = 60) -> Subject:
    words, network = _words(items), reader_network()
    labels = _answers(network, words).argmax(1).numpy()
    subject = subject_from_network(network, checked_items(words, labels), "reader")
    return replace(subject, input=replace(subject.input, words=VOCABULARY))


def test_recover_says_where_texts_to_train_on_are_read_and_takes_no_table_of_them() -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-3": text_subject()}
    app.query_params["m"] = "own-3"
    app.run()
    app.switch_page("pages/recover.py").run()
    assert not app.exception
    said = " ".join(each.value for each in app.info)
    assert "slimscope train FOLDER --train texts.jsonl" in said
    assert "input_ids" in said
    (uploader,) = (each for each in app.get("file_uploader") if "Training items" in each.label)
    assert list(uploader.proto.type) == [".npz"]


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_reads_well_on_its_color(dark: bool) -> None:
    values = np.linspace(-1, 1, 101)
    marks = WordMarks("", [" a"] * 101, [("before", values)], 1.0).as_json(dark=dark)
    for word in marks["panels"][0]["words"]:
        assert contrast(word["ink"], word["ground"]) >= LEAST_OF_TEXT


def test_colors_are_centered_on_zero_and_one_scale_serves_all_texts() -> None:
    low, middle, high = grounds(np.array([-1.0, 0.0, 1.0]), dark=False)
    assert len({low, middle, high}) == 3
    marks = WordMarks("", [" a"], [("one", np.array([2.0])), ("other", np.array([1.0]))], 2.0)
    first, second = (panel["words"][0]["ground"] for panel in marks.as_json(dark=False)["panels"])
    assert first == high
    assert second not in {middle, high}


def test_words_enter_the_page_as_text_only() -> None:
    assert "innerHTML" not in component.JAVASCRIPT
    assert "textContent" in component.JAVASCRIPT


def test_an_item_shows_the_words_that_are_there_and_numbers_where_none_is_known() -> None:
    subject = text_subject()
    (ids, mask), item = subject.input.fields, subject.split("validation").inputs[3]
    numbers = item[: ids.width][(item[ids.width :] == 1) & (item[: ids.width] != 0)].tolist()
    words = item_words(subject.input, item)
    assert mask.name == "attention_mask"
    assert words.texts == tuple(VOCABULARY[n] if n < len(VOCABULARY) else f" {n}" for n in numbers)
    assert words.said.split()[0] == (words.texts[0].strip() + "".join(words.texts[1:2])).split()[0]
    bare = item_words(replace(subject.input, words=()), item)
    assert bare.texts == tuple(f" {n}" for n in numbers)


def test_what_a_vocabulary_holds_cannot_turn_or_hide_text() -> None:
    subject = text_subject()
    hostile = tuple(f" a\u202e\n<b>{n}" for n in range(WORDS))
    words = item_words(replace(subject.input, words=hostile), subject.split("validation").inputs[0])
    assert all(text.isprintable() for text in words.texts)
    assert all(len(text) <= 41 for text in words.texts)


def test_the_vocabulary_goes_along_as_plain_values() -> None:
    form = text_subject().input
    assert form_from_json(form.as_json()) == form
    said = form.as_json()
    del said["words"]
    assert form_from_json(said).words == (), "what an earlier release wrote"


def test_the_sentence_and_the_table_say_what_the_colors_say() -> None:
    subject = text_subject()
    words = item_words(subject.input, subject.split("validation").inputs[0])
    before = np.linspace(-1, 0.5, len(words.texts), dtype=np.float32)
    table = words_table(words, before, -before)
    assert list(table["word"]) == [text.strip() for text in words.texts]
    assert np.allclose(table["difference"], -2 * before)
    said = words_alternative(words, before, -before)
    assert said.startswith(f"The strongest word is {words.texts[0].strip()} (-1) before")
    assert (
        words_alternative(replace(words, texts=(), places=()), before[:0], before[:0])
        == "The item has no words."
    )


@pytest.mark.slow
def test_the_report_shows_the_words_of_items_that_changed_as_text() -> None:
    subject = text_subject(60)
    named = tuple(f" <b>{number}</b>" for number in range(WORDS))
    splits = {"test": replace(subject.split("validation"), name="test")}
    subject = replace(subject, input=replace(subject.input, words=named), splits=splits)
    store = Store()
    rules = [{"match": "*", "steps": [{"technique": "magnitude", "sparsity": 0.9}]}]
    model = compress(subject, parse_recipe({"layers": rules}), store)
    gates = read_gates(FEW + "gates: [{measure: accuracy_change, limit: -0.3}]")
    review = made(model, gates, store)
    assert review.flips
    page, split = page_of(review, model, "en"), subject.split(review.model.split)
    said = item_words(subject.input, split.inputs[review.flips[0].item]).said
    assert html.escape(said) in page
    assert said not in page


def page(name: str, language: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": text_subject()}
    app.query_params["m"] = "own-1"
    app.query_params["lang"] = language
    app.query_params["r"] = encoded(PRUNED)
    return app.switch_page(f"pages/{name}.py").run()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["explain", "tune", "behavior", "trade_offs", "recover", "review"])
def test_a_page_shows_text(name: str, language: str) -> None:
    torch.manual_seed(0)
    try:
        app = page(name, language)
    finally:
        jobs.runner().close()
        shared_value.clear_all()
    assert not app.exception
    said = "\n".join(str(element.value) for element in [*app.markdown, *app.caption])
    with use_language(language):
        if name == "explain":
            assert _("Original says") in [m.label for m in app.metric]
            assert len(app.dataframe[0].value.columns) == 5
        if name in {"explain", "tune", "behavior"}:
            assert "word" in said
