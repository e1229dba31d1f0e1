"""What a tenant may still do."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound, QuotaExceeded, RateExceeded
from kelpie.tenants import Counts, Quotas, limits, records
from kelpie.tenants.records import NO_QUOTA, Quota
from umi.dst import Host
from umi.dst.clock import ManualClock
from umi.storage import Page


class Counted:
    """A tenant's rows, as numbers."""

    def __init__(self):
        self.agents = self.runs = self.bytes = 0

    def counts(self):
        async def agents(_view, _tenant):
            await asyncio.sleep(0)
            return self.agents

        async def runs(_view, _tenant):
            return self.runs

        return Counts(agents, runs, ("SELECT 10 WHERE ? = 't'", "SELECT sum(seq) * 0 FROM tenant WHERE tenant = ?"))


@pytest.fixture
def counted():
    return Counted()


@pytest.fixture
def quotas(office, counted):
    return Quotas(office.database, office.host, counted.counts())


async def set_to(office, quotas, **quota):
    await office.database.commit(quotas.plan_set("t", Quota(**quota)))


async def test_without_a_quota_nothing_is_counted_or_refused(office, counted):
    quotas = Quotas(office.counting, office.host, counted.counts())
    counted.agents = counted.runs = 10**9
    quotas.take_messages("t", 10**6)
    await quotas.take_bytes("t", 10**12)
    async with quotas.room_for_agents("t"), quotas.room_for_run("t"):
        pass
    assert office.counting.reads == 0


async def test_quotas_are_rows_and_count_from_the_commit_on(office, quotas, counted):
    await set_to(office, quotas, agents=1, messages_per_minute=2)
    assert quotas.of("t") == Quota(agents=1, messages_per_minute=2)
    again = Quotas(office.database, office.host, counted.counts())
    assert again.of("t") == NO_QUOTA
    assert await again.load() == ["t"]
    assert again.of("t") == Quota(agents=1, messages_per_minute=2)
    await set_to(office, quotas)
    assert quotas.of("t") == NO_QUOTA
    with pytest.raises(InvalidInput, match="'agents'"):
        quotas.plan_set("t", Quota(agents=-1))


async def test_messages_come_back_with_time_and_the_refusal_says_when(office, quotas):
    await set_to(office, quotas, messages_per_minute=6)
    quotas.take_messages("t", 6)
    with pytest.raises(RateExceeded) as refused:
        quotas.take_messages("t")
    assert (refused.value.quota, refused.value.http_status, refused.value.retry_after_s) == (
        "messages_per_minute",
        429,
        10,
    )
    quotas.take_messages("other")
    office.clock.advance(9_999)
    with pytest.raises(RateExceeded, match="try again in 1 s"):
        quotas.take_messages("t")
    office.clock.advance(1)
    quotas.take_messages("t")
    office.clock.advance(3_600_000)
    quotas.take_messages("t", 6)  # an hour saves up no more than a minute's worth
    with pytest.raises(RateExceeded):
        quotas.take_messages("t")


async def test_none_at_all_is_a_quota_too(office, quotas):
    await set_to(office, quotas, messages_per_minute=0, agents=0, open_runs=0)
    with pytest.raises(RateExceeded, match="in 60 s"):
        quotas.take_messages("t")
    with pytest.raises(QuotaExceeded, match="'agents' of 0"):
        async with quotas.room_for_agents("t"):
            pass
    with pytest.raises(RateExceeded, match="'open_runs'"):
        async with quotas.room_for_run("t"):
            pass


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 5)), max_size=60))
def test_no_minute_has_more_than_twice_the_messages_and_none_is_refused_too_early(most, sends):
    """A minute's worth may be saved up and sent at once; then as many again come within the minute."""
    host = Host(ManualClock())
    quotas = Quotas(None, host, Counts(None, None, ()))
    quotas.taken("t", Quota(messages_per_minute=most))
    now_ms, sent, waits = 0, [], []
    for pause_ms, count in sends:
        host.clock.advance(pause_ms)
        now_ms += pause_ms
        try:
            quotas.take_messages("t", count)
        except RateExceeded as refused:
            waits.append((refused.retry_after_s, now_ms, count))
        else:
            sent.append((now_ms, count))
    for after_s, at_ms, count in waits:
        assert sum(number for other, number in sent if at_ms - 60_000 < other <= at_ms) + count > most
        assert 1 <= after_s <= 60
    for at_ms, _ in sent:
        assert sum(number for other, number in sent if at_ms - 60_000 < other <= at_ms) <= 2 * most


async def test_two_at_once_do_not_both_take_the_last_place(office, quotas, counted):
    await set_to(office, quotas, agents=1)

    async def make():
        async with quotas.room_for_agents("t"):
            await asyncio.sleep(0)
            counted.agents += 1

    ended = await asyncio.gather(make(), make(), return_exceptions=True)
    assert [type(one) for one in ended] == [type(None), QuotaExceeded]
    assert ended[1].http_status == 402
    assert counted.agents == 1


async def test_a_refused_run_costs_no_message(office, quotas, counted):
    await set_to(office, quotas, open_runs=1, messages_per_minute=1)
    counted.runs = 1
    with pytest.raises(RateExceeded, match="'open_runs'"):
        async with quotas.room_for_run("t"):
            pass
    counted.runs = 0
    async with quotas.room_for_run("t"):
        pass
    with pytest.raises(RateExceeded, match="'messages_per_minute'"):
        async with quotas.room_for_run("t"):
            pass


async def test_bytes_are_what_was_measured_and_what_was_sent_since(office, quotas):
    await set_to(office, quotas, storage_bytes=100)
    await quotas.take_bytes("t", 60)  # beside the 10 that are there
    await quotas.take_bytes("t", 30)
    with pytest.raises(QuotaExceeded, match="'storage_bytes' of 100 bytes"):
        await quotas.take_bytes("t", 1)
    office.clock.advance(limits.STORAGE_MEASURE_AGAIN_MS)
    await quotas.take_bytes("t", 90)  # it is looked at anew: most of what was sent wasn't kept
    with pytest.raises(QuotaExceeded):
        await quotas.take_bytes("t", 1)
    used = await quotas.used("t")
    assert (used.agents, used.storage_bytes, used.open_runs, used.messages_per_minute) == (0, 10, 0, None)


async def test_bytes_nobody_announced_count_once_they_came(office, quotas):
    quotas.note_bytes("t", 1_000)  # of whom nothing is counted
    await set_to(office, quotas, storage_bytes=100)
    await quotas.take_bytes("t", 1)
    quotas.note_bytes("t", 89)
    with pytest.raises(QuotaExceeded):
        await quotas.take_bytes("t", 1)


async def test_what_is_used_of_a_rate_is_shown(office, quotas):
    await set_to(office, quotas, messages_per_minute=6)
    quotas.take_messages("t", 5)
    assert (await quotas.used("t")).messages_per_minute == 5
    office.clock.advance(20_000)
    assert (await quotas.used("t")).messages_per_minute == 3


async def test_tenants_are_rows_with_names_that_can_be_written_down(office, monkeypatch):
    for name in ("acme", "Beta-2"):
        _, changes = await records.plan_create(office.view, office.host, name)
        await office.database.commit(changes)
    assert [one.id for one in await records.page(office.view, Page(limit=1))] == ["acme"]
    assert [one.id for one in await records.page(office.view, Page(after="acme"))] == ["Beta-2"]
    assert (await records.get(office.view, "acme")).quota == NO_QUOTA
    with pytest.raises(NotFound):
        await records.get(office.view, "nobody")
    with pytest.raises(Conflict):
        await records.plan_create(office.view, office.host, "acme")
    for name in ("", "*", "a b", "a=b", "x" * 65, "-a", "a:b"):
        with pytest.raises(InvalidInput):
            await records.plan_create(office.view, office.host, name)
    monkeypatch.setattr(limits, "TENANTS_MAX", 2)
    with pytest.raises(LimitExceeded):
        await records.plan_create(office.view, office.host, "third")
