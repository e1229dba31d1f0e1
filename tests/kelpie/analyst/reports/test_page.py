"""The page of an answer needs nothing but itself, and whatever anybody wrote is text in it."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from tests.kelpie.analyst.charts.test_rendering import decoded
from tests.kelpie.analyst.reports.answers_to_show import HOSTILE, answer

from kelpie.analyst.answers import Step
from kelpie.analyst.charts import build_spec, render_svg
from kelpie.analyst.reports import as_page
from kelpie.analyst.workers import Workers
from kelpie.errors import InternalError
from umi.dst import Host

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><g id="clip0"><path fill="url(#clip0)"/><text>5</text></g></svg>'


class Page(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.texts.append(data)


KNOWN = {
    "html", "head", "meta", "title", "style", "body", "article", "h1", "h2", "h3", "p", "span", "br", "div", "strong",
    "code", "pre", "a", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li", "dl", "dt",
    "dd", "svg", "g", "path", "text",
}  # fmt: skip


@pytest.mark.parametrize("said", HOSTILE)
def test_what_anybody_wrote_is_text(said):
    made = answer(
        text=f"{said}\n\nA had 65.8 minutes.",
        rows=[("A", 65.83), (said, 1.0)],
        question=said,
        caveats=[said],
        steps=[Step(kind="other", text=said)],
        name=said,
        semantic_model=said,
    )
    page = Page(as_page([made], {}))
    assert set(page.tags) <= KNOWN
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith("#") for name, value in page.attributes if name in ("href", "src"))
    assert said in "".join(page.texts)


def test_nothing_is_fetched_and_nothing_runs():
    page = Page(as_page([answer()], {}))
    assert "script" not in page.tags
    policy = dict(page.attributes)["content"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "@import" not in as_page([answer()], {})
    assert not re.search(r"url\((?!#)", as_page([answer()], {}))


def test_each_number_leads_to_its_record_and_that_to_its_query():
    text = as_page([answer("A had 65.8 minutes, so 65.8 it is.")], {})
    assert re.findall(r'<a class="n" href="#(a1-n\d)">65.8</a>', text) == ["a1-n1", "a1-n1"], "one cell, one record"
    record = re.search(r'<tr id="a1-n1">.*?</tr>', text).group()
    for part in ("65.83", "average delay, A", "the column", 'href="#query-1"', "derived"):
        assert part in record
    assert '<details id="query-1">' in text


def test_the_page_says_who_asked_what_it_stands_on_and_what_to_know():
    texts = " ".join(Page(as_page([answer()], {})).texts)
    for part in ("How late was A?", "for Ada", "kelpie/planner", "Data through 2013-12-31", "Internal flights",
                 "preference of Finance: show = table", "asked for delay", "4 ms", "SELECT 1"):  # fmt: skip
        assert part in texts


def test_what_the_answer_says_itself_is_not_said_twice():
    text = as_page([answer("A had 65.8 minutes.\n\nInternal flights are left out.")], {})
    assert text.count("Internal flights are left out") == 1


def test_charts_of_several_answers_keep_their_ids_apart():
    answers = [answer(spec=build_spec), answer(spec=build_spec)]
    text = as_page(answers, {chart.id: SVG for one in answers for chart in one.charts})
    ids = re.findall(r'\bid="([\w-]*clip0)"', text)
    assert len(ids) == len(set(ids)) == 2
    assert all(f"url(#{name})" in text for name in ids)


@pytest.mark.parametrize(
    "inside",
    ["<script>1</script>", '<image href="http://x"/>', '<a xlink:href="http://x">x</a>', '<path onload="x"/>',
     "<foreignObject></foreignObject>", '<use href="#x"/>'],
)  # fmt: skip
def test_a_picture_with_more_than_shapes_is_not_put_into_a_page(inside):
    made = answer(spec=build_spec)
    with pytest.raises(InternalError, match="more than shapes"):
        as_page([made], {made.charts[0].id: SVG.replace("<text>5</text>", inside)})


async def test_a_picture_of_hostile_names_is_a_picture():
    workers = Workers(Host(), 1)
    made = answer(rows=[("A", 65.83), *((said, 1.0) for said in HOSTILE)], spec=build_spec)
    svg = await render_svg(made.charts[0].spec, workers)
    workers.close()
    assert "<svg" in as_page([made], {made.charts[0].id: svg})


@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_without_a_network_shows_it(needs, tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    needs("chromium", browser is not None, "chromium is not installed")
    page, picture = tmp_path / "answer.html", tmp_path / "answer.png"
    made = answer(spec=build_spec, question=f"How late was A? {HOSTILE[0]}")
    page.write_text(as_page([made], {made.charts[0].id: SVG}), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},300"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [browser, *options, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    seen = decoded(picture.read_bytes())
    assert seen[0] == width
    assert len(seen[2]) > 10, "there is more on it than paper"
