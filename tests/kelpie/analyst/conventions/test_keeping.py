"""Keeping, overriding and forgetting: one call each, nothing lost, nothing left."""

import pytest

from kelpie.analyst import limits
from kelpie.analyst.conventions import keeping
from kelpie.analyst.conventions.convention import convention_of, wish
from kelpie.analyst.conventions.holding import changeable, facts_of
from kelpie.errors import InvalidInput, LimitExceeded, NotFound, NotPermitted
from kelpie.people import records, scopes
from umi.archival import history


class Shop:
    """As much of a workshop as forgetting needs where no agent remembers."""

    def __init__(self, office):
        self.archive, self.database = office.archive, office.database


async def forget(office, name, convention_id, **how):
    return await keeping.forget(Shop(office), "t", await office.speaker(name), convention_id, **how)


async def facts(office, scope):
    return await history.believed(office.view, "t", scope, valid_ms=None, known_ms=None)


async def test_the_same_topic_of_one_holder_is_superseded_and_can_be_taken_back(office, clock):
    await office.staff(("anna",))
    first = await office.keep("anna", "show", "table")
    clock.advance(1000)
    second = await office.keep("anna", "show", "chart", weight=0.1)
    assert second.superseded == [first.convention.id]
    assert await office.holds("anna") == {"show": ("chart", "Anna")}
    anna = (await records.roster(office.view, "t")).person("anna")
    versions = await history.of_fact(office.view, "t", scopes.of_person(anna.id), first.convention.id)
    assert [(one.why.action, one.why.actor) for one in versions] == [("add", "Anna"), ("supersede", "Anna")]
    await office.archive.undo("t", scopes.of_person(anna.id), second.change_id, actor=None)
    assert await office.holds("anna") == {"show": ("table", "Anna")}


async def test_a_correction_ends_the_definition_however_the_word_is_written(office, clock):
    await office.staff(("anna",))
    first = await office.keep("anna", "Revenue", "metric:gross_revenue")
    clock.advance(1000)
    second = await office.keep("anna", " REVENUE ", "metric:net_revenue", kind="correction")
    assert second.superseded == [first.convention.id]
    (found,) = await office.published("anna")
    assert (found.kind, found.topic, found.value, found.overrides) == (
        *("correction", "revenue", "metric:net_revenue"),
        [],
    )


async def test_said_again_it_is_the_same_with_its_new_weight_and_date(office, clock):
    await office.staff(("anna",))
    first = await office.keep("anna", "show", "table", weight=0.9)
    clock.advance(5000)
    second = await office.keep("anna", "show", "table", weight=0.2)
    assert second.convention.id == first.convention.id
    assert (second.superseded, second.convention.weight) == ([], 0.2)
    assert second.convention.said_at_ms == first.convention.said_at_ms + 5000
    (found,) = await office.published("anna")
    assert found == second.convention


async def test_spelled_otherwise_it_is_the_same_as_it_is_spelled_now(office, clock):
    first = await office.keep(None, "home market", "value:region=emea")
    clock.advance(1000)
    second = await office.keep(None, "Home Market", "value:region=EMEA", kind="correction")
    assert second.convention.id == first.convention.id
    (found,) = await office.published(None)
    assert (found.kind, found.value, found.overrides) == ("correction", "value:region=EMEA", [])


async def test_one_topic_of_two_holders_is_two_conventions(office):
    await office.staff(("anna", "Finance"))
    await office.keep("finance", "show", "table")
    kept = await office.keep("anna", "show", "chart")
    assert kept.superseded == []
    assert await office.holds("finance") == {"show": ("table", "Finance")}


async def test_overriding_for_good_leaves_the_others_alone(office):
    await office.staff(("anna", "Finance"), ("ben", "Finance"))
    team = (await office.keep("finance", "show", "table", weight=1)).convention
    anna = await office.speaker("anna")
    kept = await keeping.override(office.view, office.archive, "t", anna, team.id, "chart", 0.1)
    assert (kept.convention.kind, kept.convention.topic, kept.convention.scope) == ("preference", "show", "person")
    assert await office.holds("anna") == {"show": ("chart", "Anna")}
    assert await office.holds("ben") == {"show": ("table", "Finance")}
    with pytest.raises(NotFound):
        await keeping.override(office.view, office.archive, "t", anna, "passage-nobody", "chart", 0.5)
    with pytest.raises(InvalidInput, match="'show' is one of table, chart"):
        await keeping.override(office.view, office.archive, "t", anna, team.id, "pie", 0.5)


@pytest.mark.parametrize("hard", [False, True])
async def test_what_is_forgotten_has_no_effect_nor_what_it_had_replaced(office, clock, hard):
    await office.staff(("anna", "Finance"))
    await office.keep("finance", "show", "table")
    await office.keep("anna", "grain", "month")
    for value in ("table", "chart", "table"):
        clock.advance(1000)
        last = await office.keep("anna", "show", value)
    assert await forget(office, "anna", last.convention.id, hard=hard) == 3
    assert await office.holds("anna") == {"show": ("table", "Finance"), "grain": ("month", "Anna")}
    scope = scopes.of_person((await office.speaker("anna")).person)
    assert [fact.claims[0].subject for fact in await facts(office, scope)] == ["grain"]
    left = await history.of_scope(office.view, "t", scope)
    assert len({one.fact.id for one in left}) == (1 if hard else 4)


async def test_hard_takes_along_what_was_forgotten_softly_before(office, clock):
    await office.staff(("anna",))
    first = await office.keep("anna", "codeword", "zanzibar")
    await forget(office, "anna", first.convention.id)
    clock.advance(1000)
    second = await office.keep("anna", "codeword", "other")
    assert await forget(office, "anna", second.convention.id, hard=True) == 2
    dump = await office.view.fetch("SELECT text, claims FROM fact UNION ALL SELECT text, claims FROM fact_past")
    assert dump == []


async def test_a_soft_deletion_can_be_taken_back(office):
    await office.staff(("anna",))
    kept = await office.keep("anna", "show", "table")
    scope = scopes.of_person((await office.speaker("anna")).person)
    await forget(office, "anna", kept.convention.id)
    assert await office.holds("anna") == {}
    await office.archive.undo("t", scope, kept.convention.id, actor=None)
    assert await office.holds("anna") == {"show": ("table", "Anna")}


async def test_nobody_changes_what_is_not_theirs(office):
    await office.staff(("anna", "Finance"), ("ben", "Sales"))
    for name in ("anna", "finance"):
        with pytest.raises(NotPermitted, match="without 'as'"):
            await office.keep(name, "show", "table", scope="organisation")
    with pytest.raises(NotPermitted, match="the team 'Finance' is kept by its people; teams spoken for here: Sales"):
        await office.keep("ben", "show", "table", team="Finance")
    with pytest.raises(NotPermitted, match="has no person"):
        await office.keep("finance", "show", "table", scope="person")
    with pytest.raises(NotPermitted, match="nobody in particular, who has no team"):
        await office.keep(None, "show", "table", scope="team")
    all_ = (await office.keep(None, "show", "table")).convention
    finance = (await office.keep("finance", "grain", "month")).convention
    with pytest.raises(NotPermitted):
        await forget(office, "anna", all_.id)
    for name in ("ben", None):
        with pytest.raises(NotFound):
            await forget(office, name, finance.id)
    assert await forget(office, "anna", finance.id) == 1
    assert await forget(office, None, all_.id) == 1
    assert await office.holds("anna") == {}


async def test_who_loses_their_place_while_it_is_kept_keeps_nothing(office, monkeypatch):
    """Between the plan and its commit Anna leaves the team; then the whole house."""
    await office.staff(("anna", "Finance"))
    anna, real = await office.speaker("anna"), office.database.commit

    async def first(changes):
        monkeypatch.setattr(office.database, "commit", real)
        await office.commit(records.plan_change_person(office.view, "t", "anna", teams=[]))
        return await real(changes)

    monkeypatch.setattr(office.database, "commit", first)
    with pytest.raises(NotPermitted):
        await keeping.keep(office.view, office.archive, "t", anna, wish("preference", "show", "table"), scope="team")
    assert await office.holds("finance") == {}


async def test_a_holder_has_room_for_so_many_topics(office, monkeypatch):
    monkeypatch.setattr(limits, "CONVENTIONS_PER_SCOPE_MAX", 2)
    for topic in ("a", "b"):
        await office.keep(None, topic, "x")
    with pytest.raises(LimitExceeded, match="the list of conventions is 3"):
        await office.keep(None, "c", "x")
    await office.keep(None, "a", "y")
    assert await office.holds(None) == {"a": ("y", ""), "b": ("x", "")}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("wish", "show", "table"), "the kind is one of definition"),
        (("preference", "show", "pie"), "'show' is one of table, chart"),
        (("preference", "grain", "hour"), "'grain' is one of day"),
        (("definition", "revenue", "net of refunds"), "a word can mean metric:NAME"),
        (("definition", "revenue", "metric:Net Revenue"), "a word can mean"),
        (("definition", "revenue", "year:1999"), "a word can mean"),
        (("definition", "revenue", "value:region="), "a word can mean"),
        (("definition", " ", "metric:x"), "the topic must be words"),
        (("definition", "a\x1bb", "metric:x"), "the topic must be words"),
        (("definition", "a\x00b", "metric:x"), "NUL"),
        (("definition", "\ud800", "metric:x"), "no character"),
        (("definition", 5, "metric:x"), "the topic must be a text"),
        (("preference", "detail", ""), "the value must be words"),
        (("preference", "x" * 201, "y"), "the topic is 201 bytes"),
        (("preference", "detail", "x" * 501), "the value is 501 bytes"),
        (("preference", "show", "table", 2), "the weight must be between 0 and 1"),
        (("preference", "show", "table", float("nan")), "the weight must be between 0 and 1"),
        (("preference", "show", "table", True), "the weight must be between 0 and 1"),
    ],
)
def test_what_no_convention_can_say_is_refused(given, says):
    with pytest.raises((InvalidInput, LimitExceeded)) as refused:
        wish(*given)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [*("metric:net_revenue", "dimension:region", "time:paid_on", "year:fiscal"), "value:region=Europe & Asia = EMEA"],
)
def test_what_a_word_can_mean(value):
    assert wish("definition", "  Our   Revenue", value).topic == "our revenue"


async def test_a_secret_is_not_kept(office):
    kept = await office.keep(None, "login", "my password is hunter2secret!")
    assert "hunter2" not in kept.convention.value
    holder = await changeable(office.view, "t", await office.speaker(None))
    (fact,) = await facts_of(office.view, "t", holder)
    assert "hunter2" not in fact.text
    assert convention_of(fact, "organisation", "").kind == "preference"
    again = await office.keep(None, "login", "my password is hunter2secret!")
    assert again.convention.id == kept.convention.id
