"""The promises, each with a way to draw plans that try to break it.

What is checked is the same for all: every invariant and every promise.
`MISSING` names the scenarios of rooms that are not built: a test fails once the room is there and its scenario isn't.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kelpie.errors import NotFound
from kelpie.simulate.plans import draws
from kelpie.simulate.plans.drawing import Draft
from kelpie.simulate.plans.plan import Plan


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    promise: str
    draw: Callable[[Draft], None]


SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Scenario(
            "turn-under-crash", "an acknowledged message is answered, wherever the crash hits", draws.turn_under_crash
        ),
        Scenario("shared-block", "no update of a block that many write is lost", draws.shared_block),
        Scenario(
            "vanishing-readers", "a reader who leaves or lags changes nothing for the run", draws.vanishing_readers
        ),
        Scenario("runs-resume", "a run that was cut off is finished, and no tool runs twice", draws.runs_resume),
        Scenario(
            "recall-while-writing", "what was remembered is found, also while others write", draws.recall_while_writing
        ),
        Scenario(
            "superseded-facts", "what was said last holds, and nobody recalls what it ended", draws.superseded_facts
        ),
        Scenario("promoted-blocks", "no line of people's is lost to what memory promotes", draws.promoted_blocks),
        Scenario("hot-agent", "a crowd at one agent is refused by name or served in order", draws.hot_agent),
        Scenario("paused-silo", "a process that stood still and goes on harms nobody", draws.paused_silo),
        Scenario("partition", "who can't reach whom costs time, and never data", draws.partition),
        Scenario("dying-disk", "a disk that fails costs answers, and never what was acknowledged", draws.dying_disk),
        Scenario("rotten-disk", "a disk that lies takes no more than a backup gives back", draws.rotten_disk),
        Scenario(
            "questions-under-crash",
            "no number is wrong, and what is known is not asked for again",
            draws.questions_under_crash,
        ),
        Scenario("people-leave", "who is removed takes everything along, also in the middle of it", draws.people_leave),
        Scenario("restart-storm", "whatever dies however often, everything ends", draws.restart_storm),
        Scenario(
            "reminders-under-crash", "a reminder is done once, wherever the crash hits", draws.reminders_under_crash
        ),
        Scenario(
            "approvals-under-crash",
            "no approval is lost, and none runs twice, wherever the crash hits",
            draws.approvals_under_crash,
        ),
        Scenario(
            "compaction-under-crash",
            "no message is lost to a summary, wherever the crash hits",
            draws.compaction_under_crash,
        ),
        Scenario(
            "conversations-under-crash",
            "a conversation shows exactly its own, wherever the crash hits",
            draws.conversations_under_crash,
        ),
        Scenario(
            "streams-under-crash",
            "a reader who comes back misses nothing and reads nothing twice, wherever the crash hits",
            draws.streams_under_crash,
        ),
        Scenario(
            "files-under-crash",
            "a file is read whole or not at all, and what replaced it is found, wherever the crash hits",
            draws.files_under_crash,
        ),
        Scenario(
            "groups-under-crash", "a round is said once and in turn, wherever the crash hits", draws.groups_under_crash
        ),
        Scenario("bad-provider", "a model or tool that misbehaves fails its own run at most", draws.bad_provider),
        Scenario(
            "machine-dies", "a machine that dies in mid-call costs that call and nothing else", draws.machine_dies
        ),
        Scenario("everything", "all of it at once", draws.everything),
        Scenario("crowded", "three times as much of everything", draws.crowded),
    )
}
# Scenario -> the module whose room it belongs to.
MISSING: dict[str, str] = {
    # umi.storage.postgres is tested on a real server with real processes; silos that share one are what is to come.
    "a postgres primary fails over": "kelpie.server.cluster",
    "a canary is promoted in mid-turn": "kelpie.training",
}


def plan_of(scenario: str, seed: int) -> Plan:
    """Raises NotFound, naming the scenarios there are."""
    if scenario not in SCENARIOS:
        raise NotFound(f"there is no scenario '{scenario}'; there are {', '.join(SCENARIOS)}")
    draft = Draft(scenario, seed)
    SCENARIOS[scenario].draw(draft)
    return draft.plan()
