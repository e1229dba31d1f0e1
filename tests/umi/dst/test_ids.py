"""Names for things."""

import re
import uuid

from umi.dst import Ids, Rng, SystemRng

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_an_id_is_its_prefix_and_a_version_4_uuid():
    ids = Ids(SystemRng())
    assert re.fullmatch(f"agent-{UUID4}", ids.new("agent"))
    assert uuid.UUID(ids.uuid()).version == 4


def test_one_seed_gives_the_same_ids_and_never_one_twice():
    first, second = Ids(Rng("seed")), Ids(Rng("seed"))
    drawn = [first.new("run") for _ in range(1_000)]
    assert drawn == [second.new("run") for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
