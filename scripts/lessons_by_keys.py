"""Do every lesson in Chromium by the keyboard alone, in both languages, and say how long its answers take.

    python scripts/lessons_by_keys.py [LESSON ...] [--lang en|zh] [--thinks SECONDS]

LESSON: names of lessons, such as `real_bytes`; all of them without one. A server of its own is started on
127.0.0.1 with a workspace that is thrown away, and nobody has asked it for anything before. Each lesson is
opened by its link, predicted, revealed, its exercise solved and its questions answered, each control
reached by the Tab key. Prints a row each: seconds from the link to a prediction that can be typed, and
milliseconds from the key that commits it to the outcome on the screen, after so many seconds of thinking.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Locator, Page, expect, sync_playwright  # noqa: E402 - the checkout comes first

from dashboard.learn.lesson import Lesson  # noqa: E402
from dashboard.learn.lesson_files import lessons  # noqa: E402
from dashboard.learn.lesson_numbers import number_at  # noqa: E402
from dashboard.learn.lesson_progress import EXERCISE, QUIZ, WHY  # noqa: E402
from dashboard.learn.quantity_words import unit_of_quantity  # noqa: E402
from dashboard.text import _, languages, use_language  # noqa: E402
from scripts.browser import NONE_FOUND, find_browser  # noqa: E402
from scripts.legible import served  # noqa: E402

MOST_TABS = 60
PATIENCE_MS = 180_000
FIGURE = ".js-plotly-plot"
SHOWN = f"{FIGURE}:visible"
NOTE_THE_REVEAL = """figure => {
  let began = 0;
  addEventListener("keydown", () => { began = performance.now(); }, true);
  const isDrawn = plot => plot.offsetParent !== null && plot.querySelector(".main-svg") !== null;
  new MutationObserver(() => {
    if (!window.revealed && [...document.querySelectorAll(figure)].some(isDrawn))
      window.revealed = performance.now() - began;
  }).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""
"""Milliseconds from the last key to the first figure that is seen, noted by the page itself."""


@dataclass(frozen=True)
class Walk:
    """How long one lesson let its visitor wait."""

    seconds_to_predict: float
    milliseconds_to_reveal: float


def main(words: Sequence[str]) -> int:
    """Walk, print, and give the exit code."""
    told = _told(words)
    program = find_browser()
    if program is None:
        print(NONE_FOUND)
        return 2
    print("| lesson | language | to a prediction, s | reveal, ms |\n| --- | --- | --- | --- |")
    found = []
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for language in [told.lang] if told.lang else languages():
            for name in told.lessons or lessons():
                with browser.new_context(viewport={"width": 1366, "height": 768}) as visitor:
                    page = visitor.new_page()
                    page.set_default_timeout(PATIENCE_MS)
                    walk = by_keys(page, address, name, language, told.thinks)
                print(
                    f"| {name} | {language} | {walk.seconds_to_predict:.1f} "
                    f"| {walk.milliseconds_to_reveal:.0f} |",
                    flush=True,
                )
                found.append(walk)
        browser.close()
    print(
        f"\n{len(found)} lessons done. Longest: {max(each.seconds_to_predict for each in found):.1f} s to a "
        f"prediction, {max(each.milliseconds_to_reveal for each in found):.0f} ms to the outcome."
    )
    return 0


def _told(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help=", ".join(lessons()))
    parser.add_argument("--lang", choices=list(languages()))
    parser.add_argument("--thinks", type=float, default=5.0)
    told = parser.parse_args(words)
    strangers = [name for name in told.lessons if name not in lessons()]
    if strangers:
        parser.error(f"{strangers[0]} is no lesson: take {', '.join(lessons())}.")
    return told


def by_keys(page: Page, address: str, name: str, language: str, thinks: float = 0) -> Walk:
    """Do a lesson from its link to the last question; raises AssertionError where a key does not lead on."""
    lesson = lessons()[name]
    began = time.monotonic()
    page.goto(f"{address}/learn?lesson={name}&seed=3&lang={language}")
    page.get_by_role("spinbutton").wait_for()
    ready = time.monotonic() - began
    expect(page.locator(SHOWN)).to_have_count(0)
    revealed = _predicted(page, lesson, thinks)
    go_to(page, name, WHY)
    expect(page.locator("summary").first).to_be_visible()
    go_to(page, name, EXERCISE)
    _solved(page, lesson, language)
    go_to(page, name, QUIZ)
    for number in range(len(lesson.quiz)):
        tab_to(page, page.locator(f".st-key-learn-{name}-quiz-{number} input[type=radio]").first)
        page.keyboard.press("Space")
        expect(page.get_by_test_id("stAlert")).to_have_count(number + 1)
    expect(page.locator(f".st-key-learn-{name}-tune button")).to_be_visible()
    return Walk(ready, revealed)


def _predicted(page: Page, lesson: Lesson, thinks: float) -> float:
    """Commit a prediction; the milliseconds from the key to the outcome."""
    tab_to(page, page.get_by_role("spinbutton"))
    page.wait_for_timeout(1000 * thinks)
    page.evaluate(NOTE_THE_REVEAL, FIGURE)
    page.keyboard.type(f"{(lesson.prediction.low + lesson.prediction.high) / 2:g}")
    page.keyboard.press("Enter")
    page.locator(SHOWN).wait_for()
    revealed: float = page.evaluate("window.revealed")
    return revealed


def _solved(page: Page, lesson: Lesson, language: str) -> None:
    """Type the place of the knob at which the exercise is solved."""
    with use_language(language):
        knob, asked, solved = _(lesson.knob.label), _(lesson.exercise), _(lesson.solved)
    expect(page.get_by_text(_beginning(asked)).first).to_be_visible()
    place = next(place for place in lesson.knob.places if _reaches(lesson, place))
    expect(page.get_by_role("spinbutton", name=knob)).to_be_visible()
    tab_to(page, page.get_by_role("spinbutton", name=knob))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(f"{place * lesson.knob.factor:g}")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stAlertContentSuccess").get_by_text(_beginning(solved))).to_be_visible()


def _beginning(text: str) -> str:
    """What stands before the first number that a text names, or the first mark of its Markdown."""
    return re.split(r"[{*`$]", text)[0].strip()


def _reaches(lesson: Lesson, place: float) -> bool:
    return all(
        bound.holds(unit_of_quantity(bound.quantity).written(number_at(lesson, bound.quantity, place)))
        for bound in lesson.goal
    )


def go_to(page: Page, name: str, stage: int) -> None:
    tab_to(page, page.locator(f".st-key-learn-{name}-to-{stage} button"))
    page.keyboard.press("Enter")


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible(timeout=PATIENCE_MS)
    expect(wanted).to_be_enabled(timeout=PATIENCE_MS)  # else Tab goes past it
    for _press in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement || element.matches(':focus')"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by the Tab key")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
