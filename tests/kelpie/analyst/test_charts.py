"""Charts: every plotted value is in the table, nothing is fetched, and the PNG shows something."""

import struct
import zlib

import msgspec
import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import results
from kelpie.analyst.charts import build_spec, check_spec
from kelpie.analyst.results import StoredQuery, Verdict
from kelpie.analyst.table import ResultColumn
from kelpie.errors import InternalError, InvalidInput, LimitExceeded

CARRIER = ResultColumn(name="carrier", kind="dimension", label="carrier", type="text")
MONTH = ResultColumn(name="month", kind="time", label="month", type="date", grain="month")
DELAY = ResultColumn(name="delay", kind="metric", label="average delay", type="number", unit="minutes", format=",.1f")
VALUE = ResultColumn(name='odd.name[0] "x"', kind="value", label="odd", type="DOUBLE")
TEXT = ResultColumn(name="who", kind="value", label="who", type="VARCHAR")


def stored(columns, rows):
    return StoredQuery(
        tenant=TENANT,
        id="query-1",
        agent_id="agent-1",
        run_id="run-1",
        step_id="step-1",
        tool_call_id="call-1",
        connection_id="connection-1",
        semantic_model_id="semantic-model-1",
        metric_query=None,
        sql="SELECT 1",
        verdict=Verdict(outcome="run"),
        columns=columns,
        rows=rows,
        row_count=len(rows),
        created_at_ms=0,
    )


RANKING = stored([CARRIER, DELAY], [["SkyWest", 65.8], ["AirTran", 37.1], [None, 3.0], ["Alaska", -12.6]])
SERIES = stored(
    [CARRIER, MONTH, DELAY],
    [["A", "2013-01-01", 3.0], ["B", "2013-01-01", 5.0], ["A", "2013-02-01", None], ["B", "2013-02-01", 6.0],
     ["A", "2013-03-01", 4.0], ["B", "2013-03-01", 7.0]],
)  # fmt: skip
MONTHLY = stored([MONTH, DELAY], [[f"2013-0{n}-01", n] for n in range(1, 9)])
PLAIN_SQL = stored([TEXT, VALUE], [["a.b", 1.5], ["c'd", 2.5]])


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


async def rendered(analyst, host, spec):
    return decoded(await analyst.render(results.new_chart(host, RANKING, spec)))


@pytest.mark.parametrize(
    ("query", "kind"),
    [(RANKING, None), (SERIES, None), (MONTHLY, "bar"), (PLAIN_SQL, None)],
    ids=["ranking", "lines", "bars over time", "plain sql"],
)  # fmt: skip
async def test_a_png_shows_something(query, kind, analyst, host):
    width, height, colours = await rendered(analyst, host, build_spec(query, kind, "A title"))
    assert width > 1_000
    assert height > 200
    drawn = sum(count for colour, count in colours.items() if colour != b"\xff\xff\xff")
    assert len(colours) > 20
    assert drawn > 0.01 * sum(colours.values())
    assert bytes.fromhex("0072B2") in colours  # the first colour of the palette: bars and lines are there


async def test_an_empty_picture_would_be_noticed(analyst, host):
    """The check above on a chart without data: it must not find the colour of bars."""
    spec = build_spec(RANKING)
    spec["data"] = {"values": []}
    _, _, colours = await rendered(analyst, host, spec)
    assert bytes.fromhex("0072B2") not in colours


@pytest.mark.parametrize("query", [RANKING, SERIES], ids=["ranking", "series"])
def test_every_plotted_value_is_in_the_table(query):
    spec = build_spec(query)
    names = [column.name for column in query.columns]
    rows = [dict(zip(names, row, strict=True)) for row in query.rows]
    assert spec["data"]["values"]
    assert all(value in rows for value in spec["data"]["values"])


@pytest.mark.parametrize(
    "change",
    [{"delay": 65.9}, {"carrier": "Nobody"}, {"extra": 1}, {"delay": "65.8"}],
    ids=["a number", "a name", "a column", "a type"],
)
def test_a_spec_with_a_value_of_its_own_is_refused(change):
    spec = build_spec(RANKING)
    spec["data"]["values"][0] = spec["data"]["values"][0] | change
    with pytest.raises(InternalError):
        check_spec(spec, RANKING)


def test_columns_with_odd_or_equal_names_are_plotted_under_plain_ones():
    assert build_spec(PLAIN_SQL)["data"]["values"] == [{"who": "a.b", "column_2": 1.5}, {"who": "c'd", "column_2": 2.5}]
    twice = stored([TEXT, TEXT, DELAY], [["a", "b", 1.0]])
    with pytest.raises(InvalidInput):
        build_spec(twice)


def test_a_ranking_keeps_its_order_and_names_its_unit():
    spec = build_spec(RANKING, title="Delays")
    bars = spec["layer"][0]
    assert bars["encoding"]["y"]["sort"] is None
    assert [value["carrier"] for value in spec["data"]["values"]] == ["SkyWest", "AirTran", None, "Alaska"]
    assert bars["encoding"]["x"]["axis"]["title"] == "Average delay (minutes)"
    assert spec["title"] == "Delays"


def test_a_time_series_is_a_line_with_gaps_where_there_is_no_number():
    spec = build_spec(SERIES)
    assert spec["mark"]["type"] == "line"
    assert len(spec["data"]["values"]) == 5
    assert spec["transform"] == [{"impute": "delay", "key": "month", "groupby": ["carrier"], "value": None}]


def test_more_bars_than_fit_are_said_to_be_left_out():
    spec = build_spec(stored([CARRIER, DELAY], [[f"c{n}", n] for n in range(40)]))
    assert len(spec["data"]["values"]) == 30
    assert spec["title"]["subtitle"] == "the first 30 of 40"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (stored([CARRIER, DELAY], []), None),
        (stored([CARRIER], [["a"]]), None),
        (stored([DELAY], [[1.0]]), None),
        (RANKING, "line"),
        (SERIES, "bar"),
        (stored([CARRIER, MONTH, DELAY], [[f"c{n}", "2013-01-01", 1] for n in range(9)]), None),
        (stored([CARRIER, msgspec.structs.replace(CARRIER, name="b"), DELAY], [["a", "b", 1.0]]), None),
    ],
    ids=["no rows", "no number", "one number", "a line without time", "bars of series", "nine lines", "two dimensions"],
)
def test_what_can_t_be_drawn_is_refused_with_a_reason(query, kind):
    with pytest.raises(InvalidInput):
        build_spec(query, kind)


def test_an_overlong_title_is_refused():
    with pytest.raises(LimitExceeded):
        build_spec(RANKING, title="x" * 201)


async def test_a_spec_that_names_a_url_fetches_nothing(analyst, host):
    spec = {**build_spec(RANKING), "data": {"url": "http://127.0.0.1:9/data.csv"}}
    with pytest.raises(InvalidInput, match="can't be rendered"):
        await rendered(analyst, host, spec)


async def test_the_same_spec_is_the_same_picture(analyst, host):
    chart = results.new_chart(host, RANKING, build_spec(RANKING))
    assert await analyst.render(chart) == await analyst.render(chart)
