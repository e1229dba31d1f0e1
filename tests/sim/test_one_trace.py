"""One seed, one trace, byte for byte: whole worlds in other processes, under other hash seeds, heaps and orders."""

from benchmarks import one_trace as digests

SEEDS = list(range(1, 11))


def test_three_processes_live_the_same_lives():
    first, *others = [digests.in_a_process(SEEDS, process) for process in range(3)]
    assert others == [first, first]
    assert len({one["digest"] for one in first.values()}) == len(SEEDS)  # another seed is another life
    assert sum(bool(one["fired"]) for one in first.values()) > len(SEEDS) / 2


def test_the_processes_were_really_different():
    """Each plays the seeds in an order of its own, and finds the same whichever came before."""
    orders = [digests.order_of(SEEDS, process) for process in range(20)]
    assert len({tuple(order) for order in orders}) >= 10
    assert all(sorted(order) == SEEDS for order in orders)
