"""Paging by age."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umi.storage import Changes, Migration, Page, SqliteDatabase, paged

NOTES = [
    Migration(
        "notes",
        1,
        "CREATE TABLE note (seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, UNIQUE (tenant, id))",
    )
]
IDS = [f"note-{n}" for n in range(8)]
CURSORS = st.none() | st.sampled_from([*IDS, "note-of-nobody"])
PAGES = st.builds(Page, limit=st.integers(1, 10), after=CURSORS, before=CURSORS, ascending=st.booleans())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PAGES, min_size=1, max_size=30))
def test_a_page_is_the_slice_between_its_cursors(tmp_path_factory, pages):
    path = str(tmp_path_factory.mktemp("page") / "store.db")

    async def run():
        database = await SqliteDatabase.open(path, NOTES)
        changes = Changes()
        for note in IDS:  # another tenant has notes of the same names, in between
            changes.write("INSERT INTO note (tenant, id) VALUES ('other', ?)", note)
            changes.write("INSERT INTO note (tenant, id) VALUES ('t', ?)", note)
        await database.commit(changes)
        select = "SELECT note.id FROM note WHERE note.tenant = ?"
        for page in pages:
            sql, params = paged(select, ["t"], page, table="note", tenant="t")
            rows = [row[0] for row in await database.view().fetch(sql, *params)]
            assert rows == expected(page)
        await database.close()

    asyncio.run(run())


def expected(page):
    ordered = IDS if page.ascending else IDS[::-1]
    if any(cursor is not None and cursor not in IDS for cursor in (page.after, page.before)):
        return []
    begin = ordered.index(page.after) + 1 if page.after else 0
    end = ordered.index(page.before) if page.before else len(ordered)
    return ordered[begin:end][: page.limit]
