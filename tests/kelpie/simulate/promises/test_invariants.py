"""The checks from inside, each with what it must reject."""

import pytest

from kelpie.actors import ActorId, directory
from kelpie.events import ActivationChanged
from kelpie.simulate.promises.invariants import Invariants
from kelpie.trajectories import messages
from umi.storage import Write

WHO = ("t", "agent", "ada")


@pytest.fixture
def broken():
    return []


@pytest.fixture
def invariants(broken):
    return Invariants(lambda promise, text: broken.append(promise))


def claim():
    return (Write(directory._CLAIM, (*WHO, "silo-1")),)


def fenced(epoch, position):
    return (Write(directory._FENCE, (*WHO, epoch, position)),)


def message(name):
    return (Write(messages._INSERT, ("t", name)),)


def test_epochs_that_rise_and_positions_that_grow_are_fine(invariants, broken):
    for writes in (claim(), fenced(1, 0), fenced(1, 1), claim(), fenced(2, 2)):
        invariants.durable(writes)
    assert broken == []
    assert invariants.commits == 5


@pytest.mark.parametrize(
    "commits",
    [
        [claim(), claim(), fenced(1, 0)],  # an activation that was overtaken
        [claim(), fenced(2, 0), fenced(1, 1)],  # the same; the second claim's caller never heard of it
        [claim(), fenced(1, 0), fenced(1, 0)],  # one position, written twice
    ],
)
def test_a_commit_of_an_overtaken_activation_is_noticed(invariants, broken, commits):
    for writes in commits:
        invariants.durable(writes)
    assert broken == ["epoch never falls"]


def test_a_deleted_actor_begins_anew(invariants, broken):
    forget = tuple(directory.plan_forget(ActorId("agent", "ada", "t")).writes)
    for writes in (claim(), claim(), fenced(2, 7), forget, claim(), fenced(1, 0)):
        invariants.durable(writes)
    assert broken == []


def test_an_event_before_its_commit_is_noticed(invariants, broken):
    invariants.begins(message("message-1"))
    invariants.shown_as_final("message-1", "client-1")
    assert broken == []
    invariants.shown_as_final("message-2", "client-1")
    assert broken == ["commit before event"]


def change(what, live=1):
    return ActivationChanged(tenant="t", actor="agent/ada", change=what, live=live)


def test_two_living_activations_in_one_silo_are_noticed(invariants, broken):
    listen = invariants.listener("silo-1.1")
    for what in ("activated", "deactivated", "activated", "dropped", "activated"):
        listen(change(what))
    invariants.listener("silo-2.1")(change("activated"))  # another silo's: the fence is for that
    assert broken == []
    listen(change("activated"))
    assert broken == ["one activation"]
