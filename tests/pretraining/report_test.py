"""The report is whole, safe, and says what the files say."""

import html.parser
import json
import re
import shutil
import subprocess

import pytest

from keras_rtd.pretraining.line_chart import format_count
from keras_rtd.pretraining.line_chart import format_value
from keras_rtd.pretraining.report import write_report

HOSTILE = '"><script>alert(1)</script>&amp;'
VOID = {"meta"}

CONFIG = {
    "preset": "electra_tiny_uncased_en",
    "objective": "electra",
    "train_steps": 9000,
    "data": ["a.txt", HOSTILE],
    "learning_rate": 1.5e-3,
    "init_from": None,
}


def metrics(step):
    row = {
        "step": step,
        "tokens": step * 8192,
        "seconds": step * 0.09,
        "learning_rate": 1e-7 * step,
        "tokens_per_second": 8612.25 + step,
        "probe_auc": 0.5123 + step * 1e-5,
        "probe_average_precision": 0.1567 + step * 1e-5,
    }
    names = (
        "loss generator_loss generator_accuracy sampled_accuracy "
        "discriminator_loss discriminator_accuracy discriminator_auc "
        "discriminator_average_precision discriminator_precision "
        "discriminator_recall replaced_rate"
    ).split()
    for prefix in ("", "val_"):
        for i, name in enumerate(names):
            row[prefix + name] = 0.1371 + 0.0713 * i + step * 1e-5
    return row


SAMPLES = [
    {
        "step": step,
        "tokens": ["[CLS]", "play", "##ing", "chess", "[SEP]"],
        "corrupted": ["[CLS]", "play", "##ed", HOSTILE, "[SEP]"],
        "text": ["", " play", "ed", f" {HOSTILE}", ""],
        "is_replaced": [False, False, True, True, False],
        "probability": [0.0, 0.0625, 0.75, 0.9375, 0.015625],
    }
    for step in (500, 1000, 1500, 2000, 2500, 3000)
]


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    write_rows(tmp_path, [metrics(step) for step in range(500, 3001, 500)])
    (tmp_path / "samples.json").write_text(json.dumps(SAMPLES))
    return tmp_path


def write_rows(run_dir, rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (run_dir / "metrics.jsonl").write_text(lines)


class Page(html.parser.HTMLParser):
    """A page's texts as (classes around it, text), and its attributes."""

    def __init__(self, path):
        super().__init__()
        self.open, self.texts, self.attributes = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self.open, "not closed"

    def handle_starttag(self, tag, attrs):
        self.attributes.extend((tag, *pair) for pair in attrs)
        if tag not in VOID:
            self.open.append((tag, (dict(attrs).get("class") or "").split()))

    def handle_startendtag(self, tag, attrs):
        self.attributes.extend((tag, *pair) for pair in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        around = [tag for tag, _ in self.open]
        around += [name for _, names in self.open for name in names]
        self.texts.append((around, data))

    def text(self, *without):
        return " ".join(
            " ".join(data.split())
            for around, data in self.texts
            if not {"style", *without} & set(around)
        )

    def text_of(self, inside):
        return [data for around, data in self.texts if inside in around]


def test_every_tag_is_closed_and_parts_are_there(run_dir):
    path = write_report(str(run_dir))
    assert path == run_dir / "report.html"
    assert sorted(p.name for p in run_dir.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "report.html",
        "samples.json",
    ]
    page = Page(path)
    assert page.text_of("h1") == ["electra_tiny_uncased_en"]
    assert page.text_of("h2") == [
        "Curves",
        "Examples at step 3,000",
        "Settings",
    ]
    assert page.text_of("summary")[0] == (
        "3,000 of 9,000 steps · 24.6M tokens · 4 min · 11,612 tokens/s · "
        "electra"
    )
    assert len(page.text_of("h3")) == 10
    assert "step 500" in page.text_of("summary")[-1]


def test_every_number_comes_from_the_files(run_dir):
    rows = [metrics(step) for step in range(500, 3001, 500)]
    # The prose says 0, 1, 15% and 0.5; the run took 270 s.
    allowed = {"0", "1", "15", "0.5", "4", "9,000"}
    for row in rows:
        values = [*row.values(), 1 - row["val_replaced_rate"]]
        allowed |= {format_value(value) for value in values}
        allowed |= {format_count(row["tokens"]).strip("M"), f"{row['step']:,}"}
    # Left out: ticks, and what test_settings and test_examples look at.
    shown = Page(write_report(run_dir)).text("tick", "table", "example")
    numbers = re.findall(r"\d[\d,.]*(?:e-?\d+)?", shown)
    assert len(numbers) > 60
    assert {number.rstrip(".,") for number in numbers} <= allowed


def test_last_values_stand_at_the_lines(run_dir):
    page = Page(write_report(run_dir))
    last = metrics(3000)
    ends = page.text_of("end")
    assert ends[:2] == [
        format_value(last["probe_auc"]),
        format_value(last["probe_average_precision"]),
    ]
    assert format_value(1 - last["val_replaced_rate"]) in ends
    assert format_value(last["probe_auc"]) == page.text_of("value")[0]


def test_settings(run_dir):
    cells = Page(write_report(run_dir)).text_of("table")
    values = [
        value if isinstance(value, str) else json.dumps(value)
        for value in CONFIG.values()
    ]
    assert cells[::2] == list(CONFIG)
    assert cells[1::2] == values


def test_examples(run_dir):
    page = Page(write_report(run_dir))
    shown = "".join(page.text_of("example"))
    assert shown.startswith(f"[CLS] played##ing {HOSTILE}chess [SEP]")
    tokens = [
        (style, title)
        for (_, _, style), (_, _, title) in zip(
            [a for a in page.attributes if a[1] == "style"][1:],
            [a for a in page.attributes if a[1] == "title"],
        )
    ]
    assert tokens[2] == ("--p:0.75", "probability 0.75, originally ##ing")
    assert tokens[3] == ("--p:0.94", "probability 0.94, originally chess")
    # The newest, and some of the earlier ones, the first among them.
    assert page.text_of("details").count("[CLS]") == 3


def test_examples_of_earlier_versions(run_dir):
    samples = [dict(sample) for sample in SAMPLES]
    for sample in samples:
        del sample["text"]
    (run_dir / "samples.json").write_text(json.dumps(samples))
    shown = "".join(Page(write_report(run_dir)).text_of("example"))
    assert shown.startswith(f"[CLS] play ##ed##ing {HOSTILE}chess [SEP]")


def test_nothing_is_loaded_or_run(run_dir):
    config = dict(CONFIG, preset=HOSTILE)
    (run_dir / "config.json").write_text(json.dumps(config))
    page = Page(write_report(run_dir))
    assert page.text_of("h1") == [HOSTILE]
    assert not page.text_of("script")
    for tag, name, value in page.attributes:
        assert tag not in {"script", "link", "img", "iframe", "a"}
        assert name not in {"src", "href"} and not name.startswith("on")
        assert "://" not in value and "url(" not in value


def test_no_files(tmp_path):
    page = Page(write_report(tmp_path))
    assert page.text_of("h1") == [tmp_path.name]
    assert "No metrics yet" in page.text()
    assert not page.text_of("h2")


def test_one_row(tmp_path):
    write_rows(tmp_path, [metrics(500)])
    page = Page(write_report(tmp_path))
    assert len(page.text_of("h3")) == 10
    assert not page.text_of("from")


def test_few_metrics_and_values_that_are_no_numbers(tmp_path):
    write_rows(
        tmp_path,
        [
            {"step": 1, "loss": float("nan"), "val_loss": 2.5},
            {"step": 2, "loss": None, "val_loss": 2.25, "dtype": "float32"},
        ],
    )
    page = Page(write_report(tmp_path))
    assert page.text_of("h3") == ["Combined loss"]
    assert page.text_of("end") == ["2.250"]


def test_flat_zero_and_negative_curves(tmp_path):
    rows = [
        {"step": s, "loss": 0.0, "learning_rate": -5.0, "probe_auc": 0.5}
        for s in (0, 10)
    ]
    write_rows(tmp_path, rows)
    ends = Page(write_report(tmp_path)).text_of("end")
    assert ends == ["0.500", "0.000", "-5.000"]


def test_later_lines_of_a_step_count(tmp_path):
    write_rows(
        tmp_path,
        [{"step": s, "probe_auc": a} for s, a in [(2, 0.9), (4, 0.8), (2, 0.6)]]
        + [{"step": 4, "probe_auc": 0.7}],
    )
    page = Page(write_report(tmp_path))
    assert page.text_of("value") == ["0.700"]
    assert page.text_of("from") == ["0.600 at step 2"]


@pytest.mark.parametrize("line", ['{"step": 2, "lo', "[1]", '{"loss": 1}'])
def test_broken_metrics_name_file_and_line(run_dir, line):
    path = run_dir / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n\n{line}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 3: "):
        write_report(run_dir)


@pytest.mark.parametrize(
    "name, text",
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("samples.json", "{}"),
        ("samples.json", '[{"step": 1, "tokens": ["a"]}]'),
        ("samples.json", json.dumps([dict(SAMPLES[0], probability=[])])),
        ("samples.json", json.dumps([dict(SAMPLES[0], probability=["x"] * 5)])),
    ],
)
def test_other_broken_files_are_named(run_dir, name, text):
    (run_dir / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(name)):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


def test_bytes_that_are_not_utf8_are_named(run_dir):
    (run_dir / "metrics.jsonl").write_bytes(b'{"step": "\xff"}')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 1: not UTF-8"):
        write_report(run_dir)


def test_settings_of_undecodable_paths(run_dir):
    config = json.dumps({"data": b"caf\xe9".decode(errors="surrogateescape")})
    (run_dir / "config.json").write_text(config)
    assert r"caf\udce9" in Page(write_report(run_dir)).text_of("table")[1]


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_it(run_dir, tmp_path_factory, width):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    work = tmp_path_factory.mktemp("browser")
    report = write_report(run_dir)
    # A frame of the width, because a window may not be that narrow. What
    # overflows it would make the page scroll sideways.
    (work / "frame.html").write_text(
        f'<iframe id="f" width="{width}" height="900" '
        f'src="{report.as_uri()}"></iframe><p id="out">nothing</p><script>'
        "onload = () => { const d = document.getElementById('f')"
        ".contentDocument; document.getElementById('out').textContent = "
        "[d.querySelectorAll('svg').length, d.body.scrollWidth, "
        "d.documentElement.clientWidth].join(' ') }</script>"
    )
    result = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu"]
        + ["--disable-quic", "--no-first-run", "--disable-sync"]
        + ["--disable-background-networking", "--disable-component-update"]
        + ["--allow-file-access-from-files", "--window-size=1400,1000"]
        + [f"--user-data-dir={work / 'profile'}", "--dump-dom"]
        + [(work / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'id="out">(\d+) (\d+) (\d+)<', result.stdout)
    assert found, result.stdout + result.stderr
    charts, needed, available = map(int, found.groups())
    assert charts == 10
    assert needed <= available
