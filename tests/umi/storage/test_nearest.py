"""Vectors that the server searches."""

import numpy as np
import pytest

from umi.storage import View
from umi.storage.postgres import PostgresDatabase

from .conftest import ITEMS, put

SIZE = 48


@pytest.fixture
async def database(postgres_url):
    database = await PostgresDatabase.open(postgres_url, ITEMS)
    yield database
    await database.close()


def units(count):
    rows = np.random.default_rng(7).normal(size=(count, SIZE)).astype(np.float16).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


async def test_the_nearest_of_a_scope_are_those_that_comparing_all_of_them_finds(database):
    near, view, vectors = database.nearest, database.view(), units(200)
    changes = put("with a row of a room, in one commit")
    for seq, vector in enumerate(vectors):
        changes.extend(near.plan_put("t", "odd" if seq % 2 else "even", "mini", seq, vector))
    changes.extend(near.plan_put("t", "even", "other", 999, vectors[0][:5]))
    changes.extend(near.plan_put("u", "even", "mini", 1000, vectors[0]))
    assert len(await near.search(View(database, changes), "t", "even", "mini", vectors[0], 3)) == 3
    await database.commit(changes)
    for query in units(5):
        similarity = vectors @ query
        expected = sorted(range(0, 200, 2), key=lambda seq: -similarity[seq])[:10]
        found = await near.search(view, "t", "even", "mini", query, 10)
        assert [seq for seq, _ in found] == expected
        assert np.allclose([like for _, like in found], similarity[expected], atol=1e-6)
    assert await near.search(view, "t", "nobody's", "mini", vectors[0], 10) == []


async def test_a_vector_is_replaced_and_forgotten(database):
    near, view, (a, b) = database.nearest, database.view(), units(2)
    await database.commit(near.plan_put("t", "s", "mini", 1, a).extend(near.plan_put("t", "s", "mini", 2, b)))
    await database.commit(near.plan_put("t", "s", "mini", 1, b))
    found = await near.search(view, "t", "s", "mini", b, 5)
    assert [(seq, round(like, 5)) for seq, like in found] == [(1, 1.0), (2, 1.0)]
    await database.commit(near.plan_forget([1]))
    assert [seq for seq, _ in await near.search(view, "t", "s", "mini", b, 5)] == [2]
    await database.commit(near.plan_forget_scope("t", "s"))
    assert await near.search(view, "t", "s", "mini", b, 5) == []


async def test_a_user_who_may_make_no_extension_does_without(postgres_server, database):
    import psycopg

    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("CREATE DATABASE bare")
    with psycopg.connect(postgres_server.url("bare"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA umi AUTHORIZATION guest")
    url = postgres_server.url("bare", "&options=-csearch_path%3Dumi").replace("postgres@", "guest@")
    bare = await PostgresDatabase.open(url, ITEMS)
    assert bare.nearest is None
    await bare.commit(put("a"))
    await bare.close()
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE bare")
        connection.execute("DROP ROLE guest")
