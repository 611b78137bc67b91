"""The page of a review: one file that asks for nothing, in two languages, whatever names it holds."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.reviews.alike import Alikeness
from compress_core.reviews.evidence_files import page_of
from compress_core.reviews.findings import Decision, FlippedItem, Review
from compress_core.reviews.gate import Gate
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.gate_verdict import judged_gate
from compress_core.reviews.report_figures import interval_drawing, pictures_of, png, shift_drawings
from compress_core.reviews.report_language import speak
from compress_core.reviews.report_page import MOST_BYTES, report_html
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from scripts.page_legibility import legibility_of
from tests.one_tab import PATIENCE
from tests.test_review import FEW, coarse, made, small_subject

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.xdist_group("browser")]

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "a\u202eb\u0000c",
    "<iframe srcdoc='<script>alert(1)</script>'>",
)
GATES = read_gates(
    FEW + "gates: [{measure: accuracy_change, limit: -0.3}, {measure: churn, limit: 0.9, required: false}]"
)


@pytest.fixture(scope="module")
def review() -> Review:
    store = Store()
    return made(coarse(small_subject(), store), GATES, store)


def with_name(review: Review, name: str) -> Review:
    """The review of a model in which everything that somebody may name has this name."""
    gate = Gate(measure="churn", limit=0.5, reason=name)
    flips = tuple(replace(flip, before=name, after=name, label=name) for flip in review.flips)
    return replace(
        review,
        model=replace(review.model, name=name, title=name, recipe=name, remarks=(name, name)),
        gates=review.gates.model_copy(update={"title": name}),
        judged=(*review.judged, judged_gate(gate, Number.missing("share", name))),
        classes=tuple(replace(row, name=name) for row in review.classes),
        worst_class=name,
        flips=flips,
        cells=tuple(replace(cell, before=name, after=name) for cell in review.cells),
        not_tested=(Phrase("{title}: {why}", title=name, why=name),),
        circumstances=replace(review.circumstances, command=name, target_device=name),
        decision=Decision(name, "approve", name, name),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(review: Review, name: str) -> None:
    page, usual = report_html(with_name(review, name), {}), report_html(with_name(review, "tame"), {})
    tags = re.compile(r"<[^>]+>")
    assert [tag for tag in tags.findall(page) if "tame" not in tag] == tags.findall(usual)
    assert "\u202e" not in page


def opened(browser: Browser, place: Path, scheme: str = "light") -> tuple[Page, list[str]]:
    """The page from the disk, and everything that it asked for or complained about."""
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    context.set_default_timeout(PATIENCE)
    page, heard = context.new_page(), []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(f"dialog {dialog.message}"))
    page.goto(place.as_uri())
    return page, [each for each in heard if each != place.as_uri() and not each.startswith("data:")]


def image_pictures() -> dict[int, str]:
    generator = np.random.default_rng(0)
    return {
        item: "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
        for item, pixels in enumerate(generator.integers(0, 255, (40, 28, 28, 3), dtype=np.uint8))
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_from_the_disk_without_a_request_and_every_text_can_be_read(
    browser: Browser, review: Review, tmp_path: Path, scheme: str
) -> None:
    place = tmp_path / "report.html"
    place.write_text(report_html(with_name(review, HOSTILE[0]), image_pictures()), encoding="utf-8")
    page, heard = opened(browser, place, scheme)
    assert heard == []
    assert page.locator("script, img, iframe, link, object, embed, form").count() == 0
    for code, title in (("en", "Review of a compressed model"), ("zh", "压缩模型评审")):
        page.get_by_label({"en": "English", "zh": "中文"}[code], exact=True).check(force=True)
        expect(page.locator(f"section.{code} h1")).to_contain_text(title)
        expect(page.locator("section.said:visible")).to_have_count(1)
        seen = legibility_of(page)
        assert seen.texts > 100
        assert seen.faint == ()
    assert "<script>alert(1)</script>" in page.locator("section.zh h1").inner_text()
    page.context.close()


def test_the_language_is_chosen_with_the_keyboard(browser: Browser, review: Review, tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_text(report_html(review, {}, "zh"), encoding="utf-8")
    page, _ = opened(browser, place)
    expect(page.locator("section.zh h1")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator("section.en h1")).to_be_visible()
    page.context.close()


def test_a_report_says_why_a_class_and_the_gate_on_the_worst_have_other_intervals(review: Review) -> None:
    assert "reach further down than that of a gate on the worst class" in report_html(review, {})


def test_a_page_of_many_flips_and_classes_stays_below_a_megabyte(review: Review) -> None:
    flip, row = review.flips[0], review.classes[0]
    many = tuple(FlippedItem(i, flip.kind, "b" * 40, "c" * 40, "d" * 40, 0.5, 0.5) for i in range(20_000))
    large = replace(review, flips=many, classes=tuple(replace(row, name=f"class {i}") for i in range(1000)))
    assert len(report_html(large, image_pictures()).encode()) < MOST_BYTES


def test_pictures_are_those_of_the_items_made_small() -> None:
    form = InputForm("image", (1, 96, 96), mean=(0.5,), std=(0.25,))
    raw = np.zeros((2, 1, 96, 96), dtype=np.uint8)
    raw[1, :, :48] = 255
    split = Split("test", form.prepared(raw), None)
    found = pictures_of(split, form, [1])
    (picture,) = found.values()
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))))
    assert shown.shape == (48, 48)
    assert (shown[:24] == 255).all()
    assert (shown[24:] == 0).all()
    assert pictures_of(split, InputForm("table", (4,)), [0]) == {}


def test_the_drawing_shows_where_interval_and_limit_lie() -> None:
    gate = Gate(measure="accuracy_change", limit=-1)
    drawing = interval_drawing(judged_gate(gate, Number(0.0, "points", "measured", -1.0, 1.0, 10)))
    ends = [float(x) for x in re.findall(r'(?:x1|x2|cx)="([\d.]+)"', drawing)]
    assert ends == [10.0, 210.0, 10.0, 10.0, 110.0]  # bar, limit at its left end, dot in the middle
    assert interval_drawing(judged_gate(gate, Number.missing("points", "no labels"))) == ""


def test_a_report_speaks_every_word_in_chinese() -> None:
    from compress_core.reviews.report_words import MEANINGS, VERDICTS, WORDS

    words = {*WORDS.values(), *VERDICTS.values(), *MEANINGS.values()}
    assert [word for word in words if speak("zh")(word) == word] == []
    assert speak("zh")(Phrase("{title}: {why}", title="x", why=Phrase("it is missing"))) != "x: it is missing"


def test_another_language_is_refused(review: Review) -> None:
    with pytest.raises(Refused, match="no language fr"):
        report_html(review, {}, "fr")


def test_the_page_of_a_sample_with_images_shows_the_items_that_changed() -> None:
    store, subject = Store(), small_subject()
    model = coarse(subject, store)
    assert "<symbol" not in page_of(made(model, GATES, store), model, "en")  # a table has no pictures


def test_attribution_over_flips_and_over_a_sample_is_drawn_on_one_scale() -> None:
    missing = Number.missing("rank correlation", "none")
    ceiling, floor = (Number(value, "rank correlation", "measured") for value in (1.0, 0.0))
    flips = Alikeness(Number(0.25, "rank correlation", "measured", 0.0, 0.5, 9), ceiling, floor, missing, 9)
    sample = Alikeness(Number(0.5, "rank correlation", "measured"), ceiling, floor, missing, 9)
    drawn = shift_drawings((flips, sample, Alikeness(missing, ceiling, floor, missing, 9)))
    assert [re.findall(r'cx="([\d.]+)"', each) for each in drawn] == [["60.0"], ["110.0"], []]
    assert 'class="bar" x1="10.0" x2="110.0"' in drawn[0]
    assert drawn[2] == ""
    assert shift_drawings((Alikeness(missing, missing, missing, missing, 0),)) == [""]
