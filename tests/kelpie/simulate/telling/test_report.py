"""A run as a story: what is on a line, where a page puts it, and that nothing told can become markup."""

import io
from html.parser import HTMLParser

import pytest
from rich.console import Console

from kelpie.simulate import Event, Options, Plan, Verdict, play
from kelpie.simulate.machines.world import Violation
from kelpie.simulate.telling.report import as_page, as_text, replay_line
from kelpie.simulate.telling.story import Moment
from kelpie.simulate.telling.timeline import Span, timeline_of

RUN = "run-f6672407-4dd0-4861-9537-45defb88eabf"
EVENTS = (
    Event(id="op-1", at_ms=100.0, kind="send", lane="client-0", args={"agent": 0}),
    Event(id="op-2", at_ms=4_000.0, kind="insert", lane="client-1", args={"agent": 0}),
    Event(id="fault-1", at_ms=200.0, kind="network.partition", lane="store>silo-2", for_ms=5_000.0),
    Event(id="fault-2", at_ms=300.0, kind="network.loss", for_ms=1_000.0, args={"rate": 0.2}),
    Event(id="fault-3", at_ms=400.0, kind="crash.silo", lane="silo-1", for_ms=900.0),
    Event(id="fault-4", at_ms=500.0, kind="clock.drift", lane="silo-2", for_ms=90_000.0, args={"parts_per_million": 9}),
    Event(id="fault-5", at_ms=350.0, kind="disk.write_error", lane="-wal", for_ms=100.0, args={"rate": 1}),
)
STORY = [
    Moment(5.0, "silo-1", "is up (life 1)"),
    Moment(6.0, "silo-2", "is up (life 1)"),
    Moment(150.0, "client-0", 'says to agent-0: <b>hello</b> & "you" \'', "answer", "op-1"),
    Moment(250.0, "silo-2>store", "network.partition: nothing passes", "fault", "fault-1"),
    Moment(350.0, "world", "network.loss: happens with a chance of 20% on everything", "fault", "fault-2"),
    Moment(400.0, "-wal", "disk.write_error: happens with a chance of 100% on -wal", "fault", "fault-5"),
    Moment(450.0, "silo-1", "died; back in 900 ms", "fault"),
    Moment(460.0, "client-0", f"ok, run {RUN} completed", "answer", "op-1"),
    Moment(700.0, "silo-2", "stands still", "fault"),
    Moment(800.0, "silo-2", "goes on"),
    Moment(1_400.0, "silo-1", "is up (life 2)"),
    Moment(1_500.0, "silo-2", "a very long line. " * 40, "log"),
    Moment(4_050.0, "client-1", "inserts fact op2 -> 200", "answer", "op-2"),
    Moment(6_000.0, "world", "healed: no more faults"),
    Moment(1_806_000.0, "world", f"runs reach an end: {RUN} is <i>still</i> running", "broken"),
]
BROKEN = [Violation("runs reach an end", f"{RUN} is <i>still</i> running", 1_806_000.0)]


def verdict(events=EVENTS, story=STORY, violations=BROKEN, **options):
    plan = Plan(scenario="partition", seed=7, options=Options(silos=2, remote=True, **options), events=tuple(events))
    return Verdict(
        plan=plan,
        violations=violations,
        digest="abc123",
        steps=1_234,
        virtual_ms=6_000.0,
        fired={"network.loss": 3},
        outcomes={"send ok": 1},
        story=story,
    )


def lines(one):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(as_text(one))
    return [line.rstrip() for line in console.export_text().splitlines()]


class Page(HTMLParser):
    """The page as its tags, with every element closed."""

    VOID = ("meta", "input", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.attributes = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def classes(self, tag):
        return [attrs.get("class", "") for name, attrs in self.attributes if name == tag]


# ---- the timeline


def test_lanes_stand_from_the_clients_to_the_disk():
    machines = ["silo-1", "silo-2", "disk", "model"]
    lanes = timeline_of(verdict()).lanes
    assert lanes == [
        "world",
        "client-0",
        "client-1",
        "network",
        "silo-2>store",
        "silo-1",
        "silo-2",
        "store",
        *machines[2:],
    ]
    assert timeline_of(verdict(events=(), story=[])).lanes == ["silo-1", "silo-2", "store", "disk", "model"]


def test_windows_last_from_when_they_were_told_until_the_end_or_the_healing():
    spans = timeline_of(verdict()).spans
    assert (
        Span("silo-2>store", 250.0, 5_250.0, "fault", "network.partition", "on store>silo-2, for 5,000 ms", "fault-1")
        in spans
    )
    assert Span("network", 350.0, 1_350.0, "fault", "network.loss", "rate 0.2, for 1,000 ms", "fault-2") in spans
    assert {(one.lane, one.from_ms, one.until_ms) for one in spans if one.kind == "disk.write_error"} == {
        ("disk", 400, 500)
    }


def test_a_window_that_nobody_told_of_is_placed_by_the_plan():
    """A plan counts from when the house was set up: 50 ms here, as the others' moments show."""
    line = timeline_of(verdict())
    (drift,) = [span for span in line.spans if span.kind == "clock.drift"]
    assert (drift.from_ms, drift.until_ms) == (550.0, 6_000.0)
    assert (
        Moment(550.0, "silo-2", "clock.drift: parts_per_million 9, on silo-2, for 90,000 ms", "fault", "fault-4")
        in line.moments
    )


def test_outages_and_waiting_clients_are_spans_too():
    spans = timeline_of(verdict()).spans
    assert Span("silo-1", 450.0, 1_400.0, "down") in spans
    assert Span("silo-2", 700.0, 800.0, "paused") in spans
    assert Span("client-0", 150.0, 460.0, "busy", event="op-1") in spans
    assert not [span for span in spans if span.kind == "crash.silo"]


def test_a_process_that_never_comes_back_is_down_to_the_end():
    story = [*STORY[:7], Moment(9_000.0, "world", "healed: no more faults")]
    assert Span("silo-1", 450.0, 9_000.0, "down") in timeline_of(verdict(story=story)).spans


def test_an_event_is_named_by_its_id_or_by_its_run():
    assert timeline_of(verdict()).named == {"op-1"}
    by_id = [Violation("x", "op-2 was acknowledged and is gone", 1.0)]
    assert timeline_of(verdict(violations=by_id)).named == {"op-2"}
    assert timeline_of(verdict(violations=[])).named == set()


def test_moments_stay_in_the_order_of_time():
    times = [moment.at_ms for moment in timeline_of(verdict()).moments]
    assert times == sorted(times)
    assert len(times) == len(STORY) + 5  # a beginning that nobody told, and four ends


# ---- in the terminal


def test_a_line_has_the_time_the_lane_and_a_sign_for_what_matters():
    told = lines(verdict())
    assert told[0] == "partition, seed 7  who can't reach whom costs time, and never data"
    assert "0.450 ! silo-1       died; back in 900 ms" in [line.strip() for line in told]
    assert any(line.strip().startswith("0.150 → client-0     op-1: says to agent-0: <b>hello</b>") for line in told)
    assert any(line.strip().startswith("1,806.000 ✗ world") for line in told)
    assert f"✗ runs reach an end: {RUN} is <i>still</i> running" in told
    assert "6.0 virtual seconds, 1,234 steps; faults: network.loss 3; operations: send ok 1" in told
    assert told[-1] == "digest abc123"


def test_a_good_run_says_so():
    assert "✓ every promise was kept" in lines(verdict(violations=[], story=STORY[:-1]))


def test_what_is_told_is_never_taken_for_markup():
    story = [Moment(1.0, "client-0", "[bold]x[/bold] [/nothing]", "answer")]
    assert any("[bold]x[/bold] [/nothing]" in line for line in lines(verdict(story=story)))


# ---- as a page


def test_a_page_is_whole_and_holds_what_identifies_the_run():
    page = Page(as_page(verdict(), commit="9bfda24-dirty"))
    assert {"header", "main", "table", "thead", "tbody"} <= set(page.tags)
    for said in (
        "partition, seed 7",
        "who can't reach whom costs time",
        "9bfda24-dirty",
        "abc123",
        "kelpie sim replay 7 --scenario partition",
        "runs reach an end",
        "network.loss 3",
        "30 min 0 s later",
    ):
        assert said in page.text
    assert page.tags.count("tr") == 1 + len(timeline_of(verdict()).moments)


def test_nothing_told_becomes_markup():
    text = as_page(verdict(), commit="<script>", replay="<script>")
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "b>hello" not in text
    assert "<i>still" not in text
    assert '<b>hello</b> & "you" \'' in page.text
    assert page.text.count("<script>") == 2


@pytest.mark.parametrize("where", ["lane", "event", "kind"])
def test_not_even_what_a_plan_by_hand_is_made_of(where):
    bad = '"><img src=x onerror=alert(1)>'
    given = {"id": "op-1", "at_ms": 1.0, "kind": "network.loss", "lane": "silo-1", "for_ms": 10.0}
    given["id" if where == "event" else where] = bad + ("." if where == "kind" else "")
    story = [Moment(1.0, given["lane"], f"{given['kind']}: x", "fault", given["id"]), Moment(50.0, "world", "the end")]
    violations = [Violation(bad, f"{bad} {given['id']}", 1.0)]
    page = Page(as_page(verdict(events=[Event(**given)], story=story, violations=violations)))
    assert "img" not in page.tags
    assert not [attrs for _, attrs in page.attributes if "onerror" in attrs]


def test_a_page_needs_nothing_from_elsewhere():
    text = as_page(verdict())
    page = Page(text)
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert not [attrs for _, attrs in page.attributes if "src" in attrs or attrs.get("href", "#")[0] != "#"]
    assert "prefers-color-scheme: dark" in text


def test_rows_are_marked_by_what_they_are():
    rows = Page(as_page(verdict())).classes("tr")
    assert sum("is-fault" in row for row in rows) == 6
    assert sum("is-broken" in row for row in rows) == 1
    assert sum("named" in row for row in rows) == 2  # op-1 and its answer, whose run the promise names
    assert sum("plain" in row for row in rows) == 2  # the other answer, and what a server logged


def test_a_violation_links_to_the_first_moment_of_the_event_it_names():
    violations = [Violation("messages stay", "op-2 is gone", 1.0)]
    page = Page(as_page(verdict(violations=violations)))
    assert ("a", {"href": "#op-2"}) in page.attributes
    assert [attrs["id"] for tag, attrs in page.attributes if tag == "tr" and "id" in attrs].count("op-2") == 1


def test_bars_of_one_lane_that_overlap_stand_side_by_side():
    more = Event(id="fault-9", at_ms=600.0, kind="network.delay", for_ms=3_000.0, args={"rate": 0.1})
    story = sorted([*STORY, Moment(650.0, "world", "network.delay: x", "fault", "fault-9")], key=lambda one: one.at_ms)
    page = Page(as_page(verdict(events=(*EVENTS, more), story=story)))
    bars = [attrs for tag, attrs in page.attributes if tag == "b" and "of-network" in attrs.get("class", "")]
    delays = [attrs for attrs in bars if attrs.get("title", "").startswith("network.delay")]
    assert {attrs.get("style") for attrs in delays} == {"--slot:1"}
    assert {attrs.get("style") for attrs in bars if attrs.get("title", "").startswith("network.loss")} == {None}
    assert sum("first" in attrs["class"].split() for attrs in delays) == 1
    assert sum("last" in attrs["class"].split() for attrs in delays) == 1


def test_a_run_of_which_nothing_is_told_still_has_a_page():
    page = Page(as_page(verdict(events=(), story=[], violations=[Violation("the run ends (Leak)", "x", 0.0)])))
    assert "the run ends (Leak)" in page.text


def test_a_changed_plan_is_replayed_from_its_file():
    assert replay_line(verdict()) == "kelpie sim replay 7 --scenario partition"
    assert replay_line(verdict(), "x.json") == "kelpie sim replay 7 --plan x.json"


def test_the_story_of_a_real_run_is_told_both_ways():
    plan = Plan(
        scenario="partition",
        seed=3,
        options=Options(silos=2, remote=True),
        events=(
            Event(id="op-1", at_ms=10.0, kind="send", lane="client-0", args={"agent": 0}),
            Event(id="op-2", at_ms=900.0, kind="write", lane="client-1"),
            Event(id="fault-1", at_ms=300.0, kind="crash.silo", lane="silo-1", for_ms=200.0),
            Event(id="fault-2", at_ms=5.0, kind="network.delay", for_ms=700.0, args={"rate": 0.5}),
        ),
    )
    real = play(plan)
    assert real.violations == []
    assert {span.what for span in timeline_of(real).spans} == {"fault", "busy", "down"}
    assert any("op-1: says to agent-0" in line for line in lines(real))
    page = Page(as_page(real))
    assert "every promise was kept" in page.text
    assert {"lane", "lane down", "lane busy"} <= {
        name.replace(" begins", "").replace(" ends", "") for name in page.classes("td")
    }
