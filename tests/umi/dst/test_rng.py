"""One seed, named forks."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from umi.dst import Rng, SystemRng

seeds = st.integers() | st.text()


def draws(rng):
    return [rng.random(), rng.randint(1, 6), rng.bytes(16)]


@given(seeds)
def test_one_seed_gives_one_sequence(seed):
    assert draws(Rng(seed)) == draws(Rng(seed))


@given(seeds, st.lists(st.text(max_size=5), unique=True, min_size=2, max_size=5))
def test_a_fork_does_not_depend_on_other_forks_or_draws(seed, names):
    alone = draws(Rng(seed).fork(names[0]))
    rng = Rng(seed)
    for name in names[1:]:
        rng.fork(name).bytes(8)
    rng.random()
    assert draws(rng.fork(names[0])) == alone


@given(seeds, st.text(max_size=5), st.text(max_size=5))
def test_differently_named_forks_differ(seed, one, other):
    rng = Rng(seed)
    assert (draws(rng.fork(one)) == draws(rng.fork(other))) == (one == other)


@given(st.integers(-100, 100), st.integers(0, 100))
def test_randint_includes_both_ends(low, width):
    rng = Rng(f"{low}/{width}")
    drawn = {rng.randint(low, low + min(width, 3)) for _ in range(200)}
    assert drawn == set(range(low, low + min(width, 3) + 1))


def test_a_seed_gives_the_same_draws_in_every_process():
    """hash() of a string differs from process to process; a seed may not go through it."""
    code = "from umi.dst import Rng; print(Rng('seed').fork('ids').bytes(8).hex())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    }
    assert outputs == {Rng("seed").fork("ids").bytes(8).hex()}


def test_the_system_rng_does_not_repeat_itself():
    assert SystemRng().fork("ids").bytes(16) != SystemRng().fork("ids").bytes(16)
    assert SystemRng().random() != SystemRng().random()
    assert {SystemRng().randint(1, 2) for _ in range(100)} == {1, 2}
