"""The promises about streams can fail: what readers heard, or what is stored, is bent, and it is named."""

import pytest

from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.clients.streaming import ENDS, MEANT, STORED, WHOLE, Streaming
from umi.storage import Changes

RING = '[[tool:ring {"what": "a"}]]'


def op(number, kind, at_ms, **args):
    return Event(id=f"op-{number}", at_ms=at_ms, kind=kind, lane=f"client-{number % 4}", args=args)


PLAN = Plan(
    scenario="bent streams",
    seed=1,
    options=Options(agents=1),
    events=(
        op(1, "follow", 0.0, agent=0, mode="tokens", text=f"[[think:hm]] {RING} [[n:6]]", leaves_after=[2, 1]),
        op(2, "join", 50.0, of="op-1", leaves_after=[1], rest_ms=10.0),
        op(3, "follow", 4_000.0, agent=0, mode="steps", text=f"{RING} [[say:well]]", leaves_after=[1]),
        op(4, "follow", 8_000.0, agent=0, mode="tokens", text="[[pace_ms:300]] [[n:9]]"),
        op(5, "join", 8_500.0, of="op-4"),
        Event(id="fault-1", at_ms=9_500.0, kind="crash.silo", lane="silo-1", for_ms=500.0),
        op(6, "join", 20_000.0, of="op-4"),
        op(7, "send", 24_000.0, agent=0, text="[[say:well]]"),
        op(8, "join", 24_000.0, of="nobody's"),
    ),
)


@pytest.fixture
def bent(monkeypatch):
    """The verdict on the plan, with `sql` run on the healed store, and the readings changed, before anybody looks."""

    def verdict(*sql, before=None):
        check = Streaming.check

        async def bend(self, breaks):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            await self._world.database.commit(changes)
            if before is not None:
                before(self)
            await check(self, breaks)

        monkeypatch.setattr(Streaming, "check", bend)
        return play(PLAN)

    return verdict


def of(streaming, name):
    return next(one for one in streaming.readings if one.who == name)


def test_nothing_is_wrong_with_what_nobody_bent(bent):
    seen = []
    verdict = bent(before=seen.append)
    assert verdict.violations == []
    assert {one.who: one.taken_up for one in seen[0].readings} == {
        "op-1": 3,
        "op-2": 2,
        "op-3": 2,
        "op-4": 2,
        "op-5": 2,
        "op-6": 1,
    }
    told = {name: n for name, n in verdict.outcomes.items() if name.startswith(("follow", "join", "stream", "send"))}
    assert told.pop("stream messages void") > 2
    assert told.pop("stream messages") >= 60
    assert told == {"follow ok": 3, "join ok": 3, "send ok": 4, "stream taken up again": 6}


BENT = {
    "a gap": lambda heard: [*heard[:2], *heard[3:]],
    "the last one lost": lambda heard: heard[:-1],
    "the first one lost": lambda heard: heard[1:],
    "one told twice": lambda heard: [*heard[:2], heard[1], *heard[2:]],
    "two in the wrong order": lambda heard: [heard[1], heard[0], *heard[2:]],
    "nothing": lambda _heard: [],
}


@pytest.mark.parametrize("name", ["op-1", "op-3"])
@pytest.mark.parametrize("what", BENT)
def test_a_reading_that_is_not_whole_is_noticed(bent, what, name):
    def bend(streaming):
        reading = of(streaming, name)
        reading.heard = BENT[what](reading.heard)

    assert bent(before=bend).promises_broken == [WHOLE]


def test_a_gap_among_pieces_of_a_reply_that_was_cut_is_noticed(bent):
    def bend(streaming):
        del of(streaming, "op-4").heard[1]

    assert bent(before=bend).promises_broken == [WHOLE]


@pytest.mark.parametrize("name", ["op-1", "op-2", "op-4"])
def test_two_who_heard_other_words_under_one_number_are_noticed(bent, name):
    """Also where both are void: op-4 and op-5 heard the same pieces of a reply that was cut."""

    def bend(streaming):
        of(streaming, name).heard[0] |= {"reasoning": "hum", "content": "hum"}

    assert MEANT in bent(before=bend).promises_broken


def test_a_reader_who_hears_no_end_is_noticed(bent, monkeypatch):
    async def nothing(_streaming, _reading, _silo):
        pass

    def cut_off(streaming):
        monkeypatch.setattr(Streaming, "_end", nothing)
        of(streaming, "op-1").is_over = False

    assert ENDS in bent(before=cut_off).promises_broken


def test_a_reader_who_was_told_another_end_is_noticed(bent):
    def bend(streaming):
        of(streaming, "op-3").end[0]["stop_reason"] = "error"

    assert bent(before=bend).promises_broken == [STORED]


@pytest.mark.parametrize(
    ("sql", "promise"),
    [
        ("DELETE FROM message WHERE role = 'tool'", STORED),
        ("UPDATE message SET run_id = NULL WHERE role = 'assistant' AND position > 3", STORED),
        ("UPDATE run SET stop_reason = 'max_steps'", STORED),
        ("UPDATE run SET attempt = 0", STORED),  # then no reply was ever cut
        ("UPDATE step SET told = NULL", MEANT),
    ],
)
def test_a_bent_row_breaks_the_promise(bent, sql, promise):
    assert promise in bent(sql).promises_broken


def test_words_that_the_store_does_not_hold_are_noticed(bent, monkeypatch):
    asked = Streaming._asked

    async def bend(self, path):
        reply = await asked(self, path)
        reply.body = reply.body.replace(b"word3", b"word8")
        return reply

    monkeypatch.setattr(Streaming, "_asked", bend)
    assert bent().promises_broken == [STORED]
