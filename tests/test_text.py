"""Every text of the dashboard stands in the catalog, in English and in Chinese."""

from __future__ import annotations

import ast
import copy
import gettext
import pickle
import re
import string
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from streamlit.testing.v1 import AppTest
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.network.layers.factors import shipped, small_layers
from compress_core.network.layers.find import find_layers
from compress_core.statistics.singular_vectors import singular_vectors
from compress_core.techniques.contract.technique import technique_named
from compress_core.techniques.low_rank import low_rank
from dashboard import language, text
from dashboard.text import _, current_language, languages, literal, refusal, use_language
from scripts import messages

DOMAINS = tuple(messages.TEMPLATES)
FOREIGN = tuple(code for code in languages() if code != text.ENGLISH)
SHOWN_BY = re.compile(
    r"^(button|caption|checkbox|download_button|error|expander|form_submit_button|header|info|markdown|metric"
    r"|number_input|popover|radio|segmented_control|selectbox|slider|subheader|success|text|text_area"
    r"|text_input|title|toast|toggle|warning|write|file_uploader|multiselect|pills|spinner|status|link_button)$"
)
SHOWN_AS = re.compile(r"^(help|label|placeholder|caption|title|\w+_title)$")


def _pot(domain: str) -> Catalog:
    return messages.read(messages.LOCALE / f"{domain}.pot")


def _ids(catalog: Catalog) -> set[str]:
    return {str(message.id) for message in messages.texts(catalog)}


def _placeholders(template: str) -> set[str]:
    return {
        field for _text, field, _spec, _conversion in string.Formatter().parse(template) if field is not None
    }


def _has_words(node: ast.expr) -> bool:
    """Whether an expression writes out words of its own, rather than asking the catalog for them."""
    match node:
        case ast.Constant(value=str() as said):
            return said != "Slimscope" and re.search(r"[^\W\d_]{2,}", said) is not None
        case ast.JoinedStr(values=parts):
            return any(_has_words(part) for part in parts if isinstance(part, ast.Constant))
        case _:
            return False


def _unasked(source: str) -> Iterator[int]:
    """The lines that show a visitor words which did not go through the catalog."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        first = (
            node.args[:1] if isinstance(node.func, ast.Attribute) and SHOWN_BY.match(node.func.attr) else []
        )
        named = [k.value for k in node.keywords if k.arg is not None and SHOWN_AS.match(k.arg)]
        if any(_has_words(value) for value in [*first, *named]):
            yield node.lineno


def test_every_text_in_the_source_is_in_the_template() -> None:
    used, kept = _ids(messages.source_template()), _ids(_pot("slimscope"))
    assert used == kept, "run `make messages`, then translate what is new"


def test_every_text_that_the_core_declares_is_in_the_template() -> None:
    assert _ids(messages.core_template()) == _ids(_pot("core")), "run `make messages`"


def test_texts_are_found_inside_f_strings_and_names_of_values_are_not() -> None:
    source = (
        """a = f"{_('in an f-string')} {x}"; Refused(said["key"], other="value"); N.missing("unit", "why")"""
    )
    assert set(messages.literals(source)) == {"in an f-string", "why"}


def test_a_technique_without_a_translation_only_warns() -> None:
    absent = _ids(messages.technique_template()) - _ids(_pot("techniques"))
    if absent:
        warnings.warn(f"shown in English until `make messages`: {sorted(absent)}", stacklevel=1)
    with use_language("zh"):
        assert all(text.translated(said) == said for said in absent)


@pytest.mark.parametrize("language", FOREIGN)
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_text_has_a_translation(domain: str, language: str) -> None:
    catalog = messages.read(messages.po_file(domain, language), language)
    translated = {str(m.id) for m in messages.texts(catalog) if m.string and not m.fuzzy}
    assert not _ids(_pot(domain)) - translated


@pytest.mark.parametrize("language", FOREIGN)
@pytest.mark.parametrize("domain", DOMAINS)
def test_translations_keep_the_placeholders(domain: str, language: str) -> None:
    catalog = messages.read(messages.po_file(domain, language), language)
    pairs = [(str(m.id), str(m.string)) for m in messages.texts(catalog) if m.string]
    assert not [said for said, other in pairs if _placeholders(said) != _placeholders(other)]


@pytest.mark.parametrize("language", FOREIGN)
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_binary_catalog_is_the_compiled_text(domain: str, language: str) -> None:
    path = messages.po_file(domain, language)
    with path.with_suffix(".mo").open("rb") as file:
        binary = {str(m.id): m.string for m in messages.texts(read_mo(file))}
    assert binary == {
        str(m.id): m.string for m in messages.texts(messages.read(path, language)) if m.string
    }, "run `make messages`"


def test_what_pages_show_goes_through_the_catalog() -> None:
    wings = [
        messages.ROOT / "app.py",
        *(p for w in ("pages", "dashboard") for p in (messages.ROOT / w).rglob("*.py")),
    ]
    found = {
        path.relative_to(messages.ROOT).as_posix(): lines
        for path in wings
        if path.exists() and (lines := list(_unasked(path.read_text(encoding="utf-8"))))
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    ['st.title("Tune a layer")', 'st.slider(_("Bits"), help=f"for {n} layers")', 'go.Bar(title="Size")'],
)
def test_words_past_the_catalog_are_seen(source: str) -> None:
    assert list(_unasked(source)) == [1]


def test_outside_a_page_english_is_spoken() -> None:
    assert current_language() == "en"
    assert _("A text that nobody has translated") == "A text that nobody has translated"


def test_no_text_stays_empty_rather_than_showing_the_header_of_the_catalog() -> None:
    with use_language("zh"):
        assert _("") == ""


def test_a_language_lasts_as_long_as_its_block_and_stays_in_its_thread() -> None:
    heard = []
    with use_language("zh"):
        thread = threading.Thread(target=lambda: heard.append(current_language()))
        thread.start()
        thread.join()
        assert current_language() == "zh"
    assert heard == ["en"]
    assert current_language() == "en"


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="no language xx; known are en, zh"), use_language("xx"):
        pass


def test_a_refusal_is_translated_and_then_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    chinese = gettext.NullTranslations()
    monkeypatch.setattr(chinese, "gettext", {"No layer {name}.": "没有层 {name}。"}.__getitem__)
    monkeypatch.setattr(text, "_catalog", lambda _code: chinese)
    assert refusal(Refused("No layer {name}.", name="fc9")) == "没有层 fc9。"


def _gettext(monkeypatch: pytest.MonkeyPatch, known: dict[str, str]) -> None:
    chinese = gettext.NullTranslations()
    monkeypatch.setattr(chinese, "gettext", lambda msgid: known.get(msgid, msgid))
    monkeypatch.setattr(text, "_catalog", lambda _code: chinese)


def test_a_phrase_is_english_text_and_is_translated_with_the_phrases_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _gettext(monkeypatch, {"grouped {kind}": "分组 {kind}", "conv{axes}d": "{axes}D 卷积"})
    phrase = Phrase("grouped {kind}", kind=Phrase("conv{axes}d", axes=2))
    assert phrase == "grouped conv2d"
    assert _(phrase) == "分组 2D 卷积"


def test_a_refusal_speaks_its_phrases_and_refusals_but_leaves_names(monkeypatch: pytest.MonkeyPatch) -> None:
    _gettext(
        monkeypatch, {"{a}: {b}, {c}.": "{a}：{b}，{c}。", "why": "为何", "named": "命名", "n {x}": "N {x}"}
    )
    refused = Refused("{a}: {b}, {c}.", a="named", b=Phrase("why"), c=Refused("n {x}", x=1))
    assert str(refused) == "named: why, n 1."
    assert refusal(refused) == "named：为何，N 1。"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda phrase: pickle.loads(pickle.dumps(phrase))])
def test_a_copied_phrase_can_still_be_translated(copied: Callable[[Phrase], Phrase]) -> None:
    phrase = copied(Phrase("grouped {kind}", kind=Phrase("conv{axes}d", axes=2)))
    assert (phrase, phrase.template, phrase.values["kind"]) == ("grouped conv2d", "grouped {kind}", "conv2d")


def test_a_plain_name_stays_where_a_phrase_would_be_spoken() -> None:
    with use_language("zh"):
        assert (text.spoken("weights"), text.spoken(Phrase("weights"))) == ("weights", "权重")


@pytest.mark.parametrize(
    ("technique", "knob", "value"),
    [
        ("uniform", "bits", 9),
        ("uniform", "bits", 2.5),
        ("uniform", "bits", "many"),
        ("magnitude", "sparsity", 1.2),
        ("magnitude", "sparsity", float("nan")),
        ("magnitude", "scope", "model"),
        ("magnitude", "pattern", "4:2"),
        ("magnitude", "pattern", "x"),
        ("magnitude", "pattern", 3),
        ("low_rank", "energy", 0),
    ],
)
def test_what_a_knob_must_be_is_said_in_the_language_of_the_page(
    technique: str, knob: str, value: object
) -> None:
    with use_language("zh"), pytest.raises(Refused) as caught:
        technique_named(technique).validated({knob: value})
    with use_language("zh"):
        said = refusal(caught.value)
    names = {technique, knob, str(value), *text.as_words(technique).split(), "nan", "row", "layer", "network"}
    names |= {"unstructured", "inf", "n", "m", "x", "erk", "column", "kernel"}
    assert set(re.findall(r"[A-Za-z_]+", said)) <= names


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(4, 4),
        nn.Embedding(4, 4),
        nn.Conv1d(4, 4, 1),
        nn.Conv2d(4, 4, 1, groups=4),
        nn.ConvTranspose3d(4, 4, 1, groups=2),
        nn.MultiheadAttention(4, 2),
        nn.LSTM(4, 4),
        nn.BatchNorm2d(4),
        nn.Bilinear(4, 4, 4),
        weight_norm(nn.Linear(4, 4)),
        nn.Embedding(4, 4, max_norm=1.0),
    ],
    ids=lambda module: type(module).__name__,
)
def test_kinds_of_layers_and_reasons_to_leave_one_alone_are_translated(module: nn.Module) -> None:
    layers, untouched = find_layers(nn.Sequential(module))
    said = [layer.label for layer in layers] + [left.reason for left in untouched]
    for layer in layers:
        kernel = torch.ones(layer.kernel_shape)
        factors = low_rank(kernel, singular_vectors(kernel.flatten(1), layer.groups), rank=1)
        said += [small.label for small in small_layers(layer, [k.shape for k in shipped(layer, factors)])]
    with use_language("zh"):
        assert said
        assert not [words for words in said if not re.search("[一-鿿]", _(words))]


def test_a_name_from_a_file_cannot_write_markdown() -> None:
    assert literal("![x](http://a)\n# b") == r"\!\[x\]\(http\://a\) \# b"


def test_a_name_of_the_core_is_shown_as_words() -> None:
    assert text.label("share_removed") == "Share removed"


def _page() -> None:
    import streamlit as st

    from dashboard import language
    from dashboard.text import current_language

    assert language.QUERY_KEY
    st.text(current_language())


@pytest.mark.parametrize(
    ("link", "chosen", "spoken"),
    [
        (None, None, "en"),
        ("zh", None, "zh"),
        ("zh-Hans-CN", None, "zh"),
        ("fr", None, "en"),
        ("zh", "en", "en"),
    ],
)
def test_a_page_speaks_what_was_chosen_else_what_the_link_says(
    link: str | None, chosen: str | None, spoken: str
) -> None:
    page = AppTest.from_function(_page, default_timeout=60)
    if link is not None:
        page.query_params[language.QUERY_KEY] = link
    if chosen is not None:
        page.session_state[language.SESSION_KEY] = chosen
    assert page.run().text[0].value == spoken


@pytest.mark.parametrize(
    ("locale", "code"), [("zh-CN", "zh"), ("zh_TW", "zh"), ("EN-us", "en"), ("fr", None), (None, None)]
)
def test_a_locale_is_read_by_its_first_part(locale: str | None, code: str | None) -> None:
    assert text.code_of(locale) == code


def test_templates_hold_no_line_numbers_and_no_dates() -> None:
    for domain in DOMAINS:
        written = Path(messages.LOCALE / f"{domain}.pot").read_text(encoding="utf-8")
        assert not re.search(r"^#:.*:\d+", written, re.MULTILINE)
        assert "2000-01-01 00:00" in written
