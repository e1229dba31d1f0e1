"""PNG and SVG: something is there to see, nothing is fetched, texts are only texts."""

import struct
import zlib
from xml.etree import ElementTree as ET

import pytest
from tests.kelpie.analyst.charts import results_to_draw
from tests.kelpie.analyst.charts.results_to_draw import CARRIER, DELAY, RANKING, stored

from kelpie.analyst.charts import CHART_KINDS, build_spec, render_png, render_svg
from kelpie.analyst.workers import Workers
from kelpie.errors import InvalidInput
from umi.dst import Host

BLUE = bytes.fromhex("0072B2")  # the first colour of the palette
BY_KIND = {
    "bar": "RANKING", "column": "MONTHLY", "line": "SERIES", "grouped": "BEFORE", "stacked": "CROSSED",
    "heatmap": "WIDE", "scatter": "TWO_METRICS", "panels": "TWO_OVER_TIME",
}  # fmt: skip


@pytest.fixture
def workers():
    made = Workers(Host(), 1)
    yield made
    made.close()


def decoded(png):
    """Width, height and the distinct colours of a PNG of 8 bits a channel."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, head = 8, b"", None
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0]
        head = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    width, height, depth, colour_type = head[:4]
    channels = {2: 3, 6: 4}[colour_type]
    assert depth == 8
    raw, stride = zlib.decompress(packed), width * channels
    assert len(raw) == height * (stride + 1)
    colours, before = {}, bytearray(stride)
    for line in range(height):
        start = line * (stride + 1)
        row = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, channels)
        for pixel in range(0, stride, channels * 3):  # every third pixel is plenty to tell a picture from a blank
            colour = bytes(row[pixel : pixel + 3])
            colours[colour] = colours.get(colour, 0) + 1
        before = row
    return width, height, colours


def unfiltered(kind, row, before, channels):
    """One line of a PNG, after its filter (PNG specification, section 9)."""
    if kind == 0:
        return row
    if kind == 2:
        return bytearray((a + b) & 255 for a, b in zip(row, before, strict=True))
    for at in range(len(row)):
        left = row[at - channels] if at >= channels else 0
        up, corner = before[at], before[at - channels] if at >= channels else 0
        if kind == 1:
            add = left
        elif kind == 3:
            add = (left + up) // 2
        else:
            guess = left + up - corner
            add = min((left, up, corner), key=lambda value: abs(guess - value))
        row[at] = (row[at] + add) & 255
    return row


@pytest.mark.parametrize("kind", ["bar", "heatmap"])  # reading a PNG by hand takes seconds; SVG has every kind
async def test_a_png_has_something_on_it(kind, workers):
    spec = build_spec(getattr(results_to_draw, BY_KIND[kind]), kind, "A title")
    width, height, colours = decoded(await render_png(spec, workers))
    assert width > 1_000
    assert height > 150
    drawn = sum(count for colour, count in colours.items() if colour != b"\xff\xff\xff")
    assert len(colours) > 20
    assert drawn > 0.01 * sum(colours.values())
    assert any(sum(abs(one - other) for one, other in zip(colour, BLUE, strict=True)) < 60 for colour in colours)


async def test_an_empty_picture_would_be_noticed(workers):
    """The check above on a chart without data: it must not find the colour of bars."""
    spec = build_spec(RANKING)
    spec["data"] = {"values": []}
    _, _, colours = decoded(await render_png(spec, workers))
    assert BLUE not in colours


@pytest.mark.parametrize("kind", CHART_KINDS)
async def test_every_kind_is_svg_of_shapes_and_texts(kind, workers):
    svg = await render_svg(build_spec(getattr(results_to_draw, BY_KIND[kind]), kind, "A title"), workers)
    tags = {node.tag.rpartition("}")[2] for node in ET.fromstring(svg).iter()}
    assert "text" in tags
    assert tags <= {"svg", "g", "path", "text", "tspan", "rect", "line", "defs", "linearGradient", "stop", "clipPath"}
    assert "A title" in svg


async def test_hostile_names_are_only_text(workers):
    names = ["<script>alert(1)</script>", '"><image href="http://x"/>', "' + datum.x + '", "=1+1", "{{7*7}}", "${7*7}"]
    svg = await render_svg(build_spec(stored([CARRIER, DELAY], [[name, 1.0] for name in names])), workers)
    nodes = list(ET.fromstring(svg).iter())
    assert {node.tag.rpartition("}")[2] for node in nodes} <= {"svg", "g", "path", "text", "line", "rect"}
    texts = {node.text for node in nodes}
    assert set(names) <= texts


async def test_a_spec_that_names_a_url_fetches_nothing(workers):
    spec = {**build_spec(RANKING), "data": {"url": "http://127.0.0.1:9/data.csv"}}
    for render in (render_png, render_svg):
        with pytest.raises(InvalidInput, match="can't be rendered"):
            await render(spec, workers)


async def test_the_same_spec_is_the_same_picture(workers):
    assert await render_png(build_spec(RANKING), workers) == await render_png(build_spec(RANKING), workers)
    assert await render_svg(build_spec(RANKING), workers) == await render_svg(build_spec(RANKING), workers)
