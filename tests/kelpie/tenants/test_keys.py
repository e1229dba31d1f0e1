"""Keys as rows, and the ring that knows whose they are without asking the store each time."""

import pytest

from kelpie.config import KeyOwner
from kelpie.errors import InvalidInput, LimitExceeded, NotFound
from kelpie.tenants import KEY_PREFIX, IssuedKeys, keys, limits
from umi.storage import Page


async def make(office, tenant="t", name="ci", scope="write", **more):
    made, key, changes = await keys.plan_create(office.view, office.host, tenant, name=name, scope=scope, **more)
    await office.database.commit(changes)
    return made, key


async def revoke(office, ring, record):
    found, changes = await keys.plan_revoke(office.view, record.tenant, record.id, office.clock.now_ms())
    await office.database.commit(changes.after(lambda: ring.forget(found.digest)))
    return found.record


async def test_a_key_is_kept_as_its_hash_alone(office):
    made, key = await make(office, people=("anna",))
    assert key.startswith(KEY_PREFIX)
    assert len(key) > 40
    assert made.hint == key[-4:]
    stored = await office.view.fetch("SELECT * FROM api_key")
    assert key not in repr(stored)
    assert keys.digest_of(key) in stored[0]
    assert await keys.get(office.view, "t", made.id) == made


async def test_a_key_opens_its_tenant_with_its_scope_and_people_until_it_expires(office):
    ring = IssuedKeys(office.database, office.host)
    _, key = await make(office, scope="read", people=("anna", "Sales"), expires_at_ms=office.clock.now_ms() + 1_000)
    assert await ring.owner_of(key) == KeyOwner("t", ("anna", "Sales"), "read")
    assert await ring.owner_of(key + "x") is None
    office.clock.advance(999)
    assert await ring.owner_of(key) is not None
    office.clock.advance(1)
    assert await ring.owner_of(key) is None  # although what was read of it is still believed


async def test_a_key_costs_a_query_every_ten_seconds(office):
    ring = IssuedKeys(office.counting, office.host)
    _, key = await make(office)
    for _ in range(50):
        assert await ring.owner_of(key) is not None
    assert office.counting.reads == 1
    office.clock.advance(limits.KEY_CACHE_MS)
    assert await ring.owner_of(key) is not None
    assert office.counting.reads == 2


async def test_a_revoked_key_stops_at_once_here_and_within_ten_seconds_elsewhere(office):
    here, elsewhere = (IssuedKeys(office.database, office.host) for _ in range(2))
    made, key = await make(office)
    assert await here.owner_of(key) == await elsewhere.owner_of(key) == KeyOwner("t", (), "write")
    ended = await revoke(office, here, made)
    assert ended.revoked_at_ms == office.clock.now_ms()
    assert await here.owner_of(key) is None
    office.clock.advance(limits.KEY_CACHE_MS - 1)
    assert await elsewhere.owner_of(key) is not None
    office.clock.advance(1)
    assert await elsewhere.owner_of(key) is None
    office.clock.advance(5)
    assert (await revoke(office, here, made)).revoked_at_ms == ended.revoked_at_ms


async def test_what_was_read_before_a_revocation_is_not_believed_after_it(office):
    """A read that is under way while the key is revoked must not put the living key back."""
    made, key = await make(office)

    class Slow:
        async def read(self, queries, over=None):
            rows = await office.database.read(queries, over)
            if not self.fired:
                self.fired = True
                await revoke(office, ring, made)
            return rows

    slow = Slow()
    slow.fired = False
    ring = IssuedKeys(slow, office.host)
    await ring.owner_of(key)
    assert slow.fired
    assert await ring.owner_of(key) is None


async def test_the_ring_is_bounded_and_strangers_take_no_room(office, monkeypatch):
    monkeypatch.setattr(limits, "KEYS_CACHED_MAX", 2)
    ring = IssuedKeys(office.counting, office.host)
    three = [(await make(office, name=f"k{number}"))[1] for number in range(3)]
    for key in (*three, three[1], KEY_PREFIX + "nobody", three[2]):
        await ring.owner_of(key)
    assert office.counting.reads == 4  # each once, and the stranger
    assert await ring.owner_of(three[0]) is not None
    assert office.counting.reads == 5  # it had made room


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": " "}, "a key has a name"),
        ({"name": "x" * 101}, "a key has a name"),
        ({"name": "a\nb"}, "a key has a name"),
        ({"scope": "operator"}, "scope is one of"),
        ({"people": ("",)}, "speaks for up to"),
        ({"people": tuple("abc" * 20)}, "speaks for up to"),
        ({"people": ("anna",), "scope": "admin"}, "can't administer"),
        ({"expires_at_ms": 1}, "in the future"),
    ],
)
async def test_what_can_be_no_key_is_refused_by_name(office, given, says):
    with pytest.raises(InvalidInput, match=says):
        await make(office, **given)


async def test_a_tenant_has_so_many_living_keys_and_old_ones_are_forgotten(office, monkeypatch):
    monkeypatch.setattr(limits, "KEYS_PER_TENANT_MAX", 2)
    ring = IssuedKeys(office.database, office.host)
    first, _ = await make(office)
    await make(office)
    with pytest.raises(LimitExceeded):
        await make(office)
    await make(office, tenant="other")
    await revoke(office, ring, first)
    await make(office, name="again")
    assert len(await keys.list_keys(office.view, "t", Page())) == 3
    office.clock.advance(limits.KEYS_ENDED_KEPT_MS + 1)
    monkeypatch.setattr(limits, "KEYS_PER_TENANT_MAX", 9)
    await make(office, name="later")
    named = [one.name for one in await keys.list_keys(office.view, "t", Page(ascending=False))]
    assert named == ["later", "again", "ci"]


async def test_another_tenants_key_is_not_there(office):
    made, _ = await make(office)
    with pytest.raises(NotFound):
        await keys.get(office.view, "other", made.id)
    with pytest.raises(NotFound):
        await keys.plan_revoke(office.view, "other", made.id, 1)
    assert await keys.list_keys(office.view, "other", Page()) == []
