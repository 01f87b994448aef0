"""The page in a real browser."""

import threading

import pytest
from browser import Browser

from keras_rtd.serve.batching import Row
from keras_rtd.serve.requests import Limits
from keras_rtd.serve.requests import read_texts

pytestmark = pytest.mark.slow

HOSTILE = '<img src=x onerror="document.title=1"><script>evil()</script>'
SUSPICIOUS = "banana"


class Words:
    """Words are tokens; a banana is out of place everywhere."""

    endpoint = "detect"
    preset = "runs/<b>mine</b>"

    def __init__(self):
        self.may_run = threading.Event()
        self.may_run.set()

    def describe(self):
        return {"task": "Words", "sequence_length": 128, "parameters": 12345}

    def prepare(self, body, limits):
        (text,) = read_texts(body, limits)
        words = text.split()
        offsets, end = [], 0
        for word in words:
            start = text.index(word, end)
            end = start + len(word)
            offsets.append([start, end])

        def finish(scores):
            return {
                "results": [
                    {
                        "tokens": words,
                        "offsets": offsets,
                        "replaced_probability": scores,
                    }
                ]
            }

        return [Row(0, word) for word in words], finish

    def run(self, key, values):
        assert self.may_run.wait(30)
        if "fail" in values:
            raise RuntimeError("the model broke")
        return [0.875 if v == SUSPICIOUS else 0.0625 for v in values]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def service():
    return Words()


@pytest.fixture
def page(browser, start_server, service):
    client = start_server([service], Limits(max_characters=50_000))
    browser.messages.clear()
    browser.dark(False)
    browser.open(f"http://127.0.0.1:{client.port}/")
    browser.wait("!document.getElementById('score').disabled")
    browser.run("document.getElementById('text').focus()")
    return browser


def text_of(page, name):
    return page.run(f"document.getElementById('{name}').textContent")


def score(page, text):
    page.type(text)
    page.press("Enter", modifiers=2)
    page.wait("!document.getElementById('result').hidden")
    page.wait("!document.getElementById('result').hasAttribute('aria-busy')")


def test_typed_text_is_coloured(page):
    assert text_of(page, "about").startswith("runs/<b>mine</b>: 12,345 param")
    text = "I eat  a banana\nwith 😀 salt"
    score(page, text)
    # Whole, spaces and line ends too.
    assert text_of(page, "tokens") == text
    tokens = page.run(
        "[...document.querySelectorAll('.token')].map(t => [t.textContent, "
        "t.style.getPropertyValue('--p'), t.className, t.title, "
        "t.getAttribute('aria-label')])"
    )
    assert [t[0] for t in tokens] == text.split()
    told = "banana: 88% (token banana)"
    assert tokens[3] == ["banana", "0.875", "token suspect", told, told]
    assert tokens[4][1:3] == ["0.063", "token"]
    assert tokens[5][0] == "😀"
    assert text_of(page, "status") == (
        "7 tokens, 1 of them at 50% or more; the highest has 88%."
    )
    first = page.run("document.querySelector('#top tr').textContent")
    assert first == "88%I eat  a banana\nwith 😀 salt"
    # The colour is there, and not in the others.
    alphas = page.run(
        "[...document.querySelectorAll('.token')].map(t => "
        "getComputedStyle(t).backgroundColor)"
    )
    assert alphas[3] != alphas[2] == alphas[4]
    assert not page.errors()


def test_text_is_only_text(page):
    score(page, HOSTILE)
    assert text_of(page, "tokens") == HOSTILE
    assert page.run("document.querySelectorAll('#result img').length") == 0
    assert page.run("document.title") == "Which words are out of place?"
    assert not page.errors()


def test_keyboard_alone_reaches_every_token(page):
    score(page, "one two banana four")
    page.run("document.getElementById('stretch').focus()")
    page.press("Tab")
    active = "document.activeElement.textContent"
    assert page.run(active) == "one"
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert page.run(active) == "banana"
    assert text_of(page, "told") == "banana: 88% (token banana)"
    page.press("End")
    page.press("ArrowRight")
    assert page.run(active) == "four"
    # One stop for all of them.
    assert page.run("document.querySelectorAll('[tabindex=\"0\"]').length") == 1


def test_numbers_and_stretched_colours(page):
    score(page, "one banana")
    assert text_of(page, "high") == "100%"
    page.run("document.getElementById('stretch').click()")
    assert text_of(page, "high") == "88%"
    strongest = "document.querySelectorAll('.token')[1]"
    value = f"{strongest}.style.getPropertyValue('--p')"
    assert page.run(value) == "1.000"
    page.run("document.getElementById('numbers').click()")
    shown = f"getComputedStyle({strongest}, '::after').content"
    assert page.run(shown) == "attr(data-percent)" or '"88%"'
    assert page.run(f"{strongest}.dataset.percent") == "88%"


def test_loading_and_failing_are_shown(page, service):
    page.press("Enter", modifiers=2)
    assert text_of(page, "error") == "There is no text yet."
    service.may_run.clear()
    page.type("one")
    page.press("Enter", modifiers=2)
    assert text_of(page, "status") == "Scoring …"
    service.may_run.set()
    page.wait("document.getElementById('status').textContent.includes('1 tok')")
    page.type(" fail")
    page.press("Enter", modifiers=2)
    page.wait("document.getElementById('error').textContent")
    assert text_of(page, "error").startswith("The model failed")
    assert page.run("document.getElementById('result').hidden")
    page.run("document.getElementById('text').value = 'x'.repeat(50001)")
    page.type("y")
    assert "too long" in text_of(page, "count")
    page.press("Enter", modifiers=2)
    page.wait("document.getElementById('error').textContent.includes('50,002')")


@pytest.mark.parametrize("width", [360, 1200])
def test_a_long_text_fits_the_width(page, width):
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    score(page, ("word " * 40 + "x" * 150 + "\n") * 100)
    assert page.run("document.querySelectorAll('.token').length") == 4100
    needed, available = page.run(
        "[document.documentElement.scrollWidth, innerWidth]"
    )
    assert needed <= available
    page.call("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(page, dark):
    """WCAG's 4.5, on every shade of the heat."""
    page.dark(dark)
    score(page, "one banana")
    page.run("document.getElementById('stretch').click()")
    colours = page.run(
        """[...document.querySelectorAll(
          '.token, .note, #told, th, td, button, #error, h1')].map((e) => {
          const layers = [];
          for (let p = e; p; p = p.parentElement)
            layers.push(getComputedStyle(p).backgroundColor);
          return [e.className || e.tagName, getComputedStyle(e).color, layers];
        })"""
    )
    for name, ink, layers in colours:
        ground = (255.0, 255.0, 255.0)
        for layer in reversed(layers):
            *rgb, alpha = parse(layer)
            ground = [a * alpha + b * (1 - alpha) for a, b in zip(rgb, ground)]
        light, shade = sorted(
            map(luminance, (parse(ink)[:3], ground)), reverse=True
        )
        assert (light + 0.05) / (shade + 0.05) >= 4.5, (name, ink, layers)


def parse(colour):
    """(r, g, b, alpha) of what a browser computed."""
    inside = colour[colour.index("(") + 1 : -1].replace("/", ",")
    numbers = [float(n) for n in inside.replace(",", " ").split()]
    return numbers if len(numbers) == 4 else [*numbers, 1.0]


def luminance(rgb):
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in rgb)
    ]
    return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear))
