"""What Streamlit says by itself is said in the visitor's language, and in English again after that."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from dashboard import page_manners
from tests.one_tab import as_new

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LOAD = """async (source) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: mount } = await import(address);
    window.mount = (words) => void mount({ data: { undo: "undo", redo: "redo", words } });
}"""
LINK = "<a data-testid='stSkipToContent'>Skip to main content</a>"
UPLOADER = """<div data-testid='stFileUploaderDropzone'><button>Upload</button>
<span>64.0MB per file</span><i>Upload.npz</i></div>"""
SAID = "() => [...document.querySelectorAll('a, button, span, i')].map(it => it.textContent)"


def test_words_of_streamlit_follow_the_language_wherever_they_come_up(shared_tab: Page) -> None:
    with as_new(shared_tab, 1280, 720) as page:
        page.set_content(LINK)
        page.evaluate(LOAD, page_manners.JAVASCRIPT)
        page.evaluate("mount({'Skip to main content': 'x', 'Upload': 'y', 'per file': 'z'})")
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", UPLOADER)
        page.wait_for_function("() => document.querySelector('button').textContent === 'y'")
        assert page.evaluate(SAID) == ["x", "y", "64.0MB z", "Upload.npz"]
        english = (
            "mount(Object.fromEntries(['Skip to main content', 'Upload', 'per file'].map(it => [it, it])))"
        )
        page.evaluate(english)
        assert page.evaluate(SAID) == ["Skip to main content", "Upload", "64.0MB per file", "Upload.npz"]
