"""The audit: every kind of trouble is counted, shown by example, and shown without its secrets."""

import pytest
from tests.umi.hygiene.texts import key

from umi import embed, limits
from umi.archival import MIGRATIONS, Why, entities, facts, plan_add, plan_purge
from umi.entity import Claim, Fact, Mention
from umi.hygiene import audit
from umi.storage import Changes, SqliteDatabase, View
from umi.storage.postgres import PostgresDatabase

DAY_MS = 86_400_000


class Scope:
    """The facts of one scope, added and changed the way archival memory does it."""

    def __init__(self, database, clock, scope="ada"):
        self.database, self.clock, self.scope, self.view = database, clock, scope, View(database)
        self.ids = 0

    async def add(self, *texts, mentions=(), **fields):
        now = {"known_from_ms": self.clock.now_ms()}
        added = []
        for text in texts:
            self.ids += 1
            one = {"tenant": "t", "id": f"{self.scope}-{self.ids}", "scope": self.scope, "text": text}
            added.append(Fact(**one | now | fields))
        changes = plan_add(added, Why())
        for fact in added:
            for name in mentions:
                mention = Mention(name=name, type="person")
                named = {"entity_id": f"{self.scope}/{name}", "importance": 0.5, "seen_ms": 1}
                changes.extend(entities.plan_mention("t", self.scope, fact.id, mention, **named))
        await self.database.commit(changes)
        return added

    async def forget(self, fact):
        gone = {"known_to_ms": self.clock.now_ms()}
        _, changes = facts.plan_change(
            fact, Fact(**fact_fields(fact) | gone), Why(action="forget"), self.clock.now_ms()
        )
        await self.database.commit(changes)

    async def write(self, sql, *params):
        await self.database.commit(Changes().write(sql, *params))

    async def audit(self, **options):
        return await audit(self.view, "t", self.scope, now_ms=self.clock.now_ms(), **options)


def fact_fields(fact):
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


@pytest.fixture(params=["sqlite", "postgres"])
async def scope(request, tmp_path, host, clock):
    migrations = [*MIGRATIONS, *embed.MIGRATIONS]
    if request.param == "sqlite":
        database = await SqliteDatabase.open(str(tmp_path / "facts.db"), migrations, host=host)
    else:
        database = await PostgresDatabase.open(request.getfixturevalue("postgres_url"), migrations, host=host)
    yield Scope(database, clock)
    await database.close()


def shown(report, name):
    return [(one.fact_id, one.why, one.other) for one in report.examples.get(name, [])]


async def test_an_empty_scope_is_clean(scope):
    report = await scope.audit()
    assert report.is_clean
    assert report.render().splitlines()[0] == "scope ada: 0 facts, 0 forgotten"
    assert report.render().endswith("  clean")


async def test_a_tidy_scope_is_clean(scope):
    claim = Claim(subject="Ada", attribute="likes", value="tea")
    await scope.add("Ada likes tea.", mentions=["Ada"], claims=[claim])
    await scope.add("Bob likes coffee.", "Ada is 31.", "Ada is 32.", "Write to ada@example.com.")
    report = await scope.audit()
    assert (report.facts, report.is_clean, report.personal) == (5, True, 1)
    assert not any(report.orphans.values())


async def test_duplicates_are_counted_once_each_and_point_to_the_first(scope):
    await scope.add(
        "Ada likes tea.", "ada  likes tea", "ADA LIKES TEA!", "Ada works at Acme", "Ada is working for Acme"
    )
    report = await scope.audit()
    assert (report.duplicates, report.near_duplicates) == (2, 1)
    assert shown(report, "duplicates") == [("ada-2", "", "ada-1"), ("ada-3", "", "ada-1")]
    assert shown(report, "near_duplicates") == [("ada-5", "", "ada-4")]


async def test_junk_says_why(scope):
    await scope.add("ok thanks", "You are a helpful assistant.", "!", "Ada likes tea.")
    report = await scope.audit()
    assert report.junk == 3
    assert shown(report, "junk") == [
        ("ada-1", "no content", None),
        ("ada-2", "boilerplate", None),
        ("ada-3", "too short", None),
    ]


async def test_secrets_are_counted_and_never_shown(scope):
    secret = f"sk-{key(40)}"
    await scope.add(f"The key is {secret}, mail ada@example.com", "password: hunter22", "Ada likes tea.")
    report = await scope.audit()
    assert (report.secrets, report.personal, report.is_clean) == (2, 1, False)
    assert shown(report, "secrets") == [("ada-1", "openai_key", None), ("ada-2", "password", None)]
    for hidden in (secret[:8], "hunter22", "ada@example"):
        assert hidden not in report.render()
    assert "[redacted openai_key]" in report.render()


async def test_a_secret_cut_by_the_excerpt_is_not_shown_either(scope):
    secret = f"sk-{key(2000)}"
    await scope.add("x" * 70 + f" {secret}")
    assert secret[:6] not in (await scope.audit()).render()


async def test_stale_is_what_is_old_unimportant_and_unused(scope, clock):
    await scope.add("Ada likes tea.", importance=0.2)
    await scope.add("Bob likes coffee.", importance=0.9)
    await scope.add("Eva likes water.", importance=0.2, mentions=["Eva"])
    await scope.add("Dan liked milk.", importance=0.2, valid_to_ms=2)
    clock.advance(200 * DAY_MS)
    await scope.add("Kim likes wine.", importance=0.2)
    await scope.write("UPDATE entity SET last_access_ms = ? WHERE name = 'Eva'", clock.now_ms() - 10 * DAY_MS)
    assert shown(await scope.audit(), "stale") == [("ada-1", "", None)]
    assert (await scope.audit(stale_days=5)).stale == 2
    assert (await scope.audit(stale_days=300)).stale == 0


async def test_superseded_and_forgotten_are_counted_apart(scope, clock):
    (old, gone) = await scope.add("Ada works at Acme.", "Ada likes tea.")
    await scope.add("Ada worked at Initech.", valid_to_ms=clock.now_ms())
    await scope.add("Ada leaves in a year.", valid_to_ms=clock.now_ms() + 1)
    await scope.forget(gone)
    report = await scope.audit()
    assert (report.facts, report.superseded, report.forgotten) == (3, 1, 1)
    assert report.is_clean
    assert old.id == "ada-1"


ORPHANED = {
    "mentions without a fact": ["DELETE FROM fact WHERE id = 'ada-1'"],
    "mentions without an entity": ["DELETE FROM entity"],
    "entities without a mention": ["DELETE FROM mention"],
    "claims without a fact": ["DELETE FROM fact WHERE id = 'ada-1'"],
    "facts whose claims can't be looked up": ["DELETE FROM claim"],
    "old versions without a fact": ["DELETE FROM fact WHERE id = 'ada-2'"],
    "vectors without a fact": ["DELETE FROM fact WHERE id = 'ada-1'"],
}


@pytest.mark.parametrize("what", ORPHANED)
async def test_what_has_no_counterpart_is_found(scope, what):
    claim = Claim(subject="Ada", attribute="likes", value="tea")
    await scope.add("Ada likes tea.", mentions=["Ada"], claims=[claim])
    (gone,) = await scope.add("Ada likes milk.")
    await scope.forget(gone)
    await scope.write(
        "INSERT INTO fact_vector (fact_seq, tenant, scope, embedder, revision, digest, vector)"
        " SELECT seq, tenant, scope, 'x', 1, ?, ? FROM fact WHERE id = 'ada-1'",
        b"x",
        b"x",
    )
    assert not any((await scope.audit()).orphans.values())
    for sql in ORPHANED[what]:
        await scope.write(sql)
    report = await scope.audit()
    assert report.orphans[what] == 1
    assert what in report.render()
    assert not report.is_clean


async def test_purging_leaves_no_orphan(scope):
    claim = Claim(subject="Ada", attribute="likes", value="tea")
    (fact,) = await scope.add("Ada likes tea.", mentions=["Ada"], claims=[claim])
    await scope.database.commit(plan_purge("t", "ada", fact.id))
    assert (await scope.audit()).is_clean


async def test_scopes_are_audited_apart(scope, clock):
    await scope.add("Ada likes tea.")
    other = Scope(scope.database, clock, "bob")
    await other.add("Ada likes tea.", "ok")
    assert (await scope.audit()).is_clean
    assert (await other.audit()).junk == 1
    assert (await other.audit()).duplicates == 0


async def test_more_facts_than_one_page_are_all_read(scope, monkeypatch):
    monkeypatch.setattr(limits, "AUDIT_PAGE_FACTS", 4)
    await scope.add(*(f"Item {number} is here" for number in range(9)), "ok", "Item 0 is here.", "item 3 was here now")
    report = await scope.audit()
    assert (report.facts, report.junk, report.duplicates) == (12, 1, 1)


async def test_examples_are_few_and_short_and_counts_whole(scope):
    await scope.add(*(f"ok{'!' * number}\n" + "yes " * 200 for number in range(limits.AUDIT_EXAMPLES_MAX + 3)))
    report = await scope.audit()
    assert report.junk == limits.AUDIT_EXAMPLES_MAX + 3
    assert len(report.examples["junk"]) == limits.AUDIT_EXAMPLES_MAX
    assert all(len(one.excerpt) <= limits.AUDIT_EXCERPT_CHARS_MAX + 1 for one in report.examples["junk"])
    assert all("\n" not in one.excerpt for one in report.examples["junk"])


async def test_the_report_reads_as_lines(scope):
    await scope.add("Ada likes tea.", "Ada likes tea", "ok")
    lines = (await scope.audit()).render().splitlines()
    assert lines[0] == "scope ada: 3 facts, 0 forgotten"
    assert "  exact duplicates                                  1 (33.3 %)" in lines
    assert "      ada-2 (like ada-1): Ada likes tea" in lines
    assert "      ada-3 [no content]: ok" in lines
    assert lines[-1] == "  not clean"
