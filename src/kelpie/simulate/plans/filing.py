"""What people do with files, drawn: put into folders under few names, some at once, replaced, deleted and looked at."""

from typing import Any

from kelpie.simulate.clients.versions import word_of
from kelpie.simulate.plans.drawing import Draft, call

# The last of them is none: what calls itself a document, and can't be read.
_NAMES = ("notes.md", "log.txt", "rows.csv", "page.html", "paper.pdf")
_LINES_MAX = 12
_LONG_LINES = 160, 200  # more chunks than go into one commit


def file(draft: Draft) -> None:
    """Everything that happens to the files of a world."""
    for _ in range(draft.rng.randint(3, 6)):
        _put(draft, draft.pick(_NAMES))
    for _ in range(draft.rng.randint(1, 2)):
        _crowd(draft)
    uploads = [event for event in draft.events if event.kind == "upload"]
    put, words = [event.args for event in uploads], [word_of(event.id) for event in uploads]
    for _ in range(draft.rng.randint(0, 3)):
        gone = draft.pick(put)
        draft.op("discard", at_ms=draft.late(0.2), folder=gone["folder"], name=gone["name"])
    if draft.options.folders > 1 and draft.chance(0.25):
        draft.op("clear", at_ms=draft.late(0.5), folder=draft.options.folders - 1)
    _hand_round(draft)
    for _ in range(draft.rng.randint(1, 3)):
        draft.op("browse", folder=_shelf(draft))
    for _ in range(draft.rng.randint(2, 4)):
        _consult(draft, put, words)


def _crowd(draft: Draft) -> None:
    """Several who upload under one name, at once, while others look."""
    name, folder, moment = draft.pick(_NAMES[:2]), _shelf(draft), draft.moment()
    for _ in range(draft.rng.randint(2, 3)):
        _put(draft, name, folder=folder, at_ms=moment)
    for _ in range(2):
        draft.op("browse", at_ms=_soon(draft, moment), folder=folder)


def _soon(draft: Draft, moment: float) -> float:
    return round(moment + draft.between(1, 2_000), 1)


def _put(
    draft: Draft, name: str, *, folder: int | None = None, at_ms: float | None = None, taken: str | None = None
) -> None:
    taken = taken or draft.pick(("replace", "replace", "replace", "suffix", "skip", "error"))
    lines = draft.rng.randint(*_LONG_LINES) if draft.chance(0.25) else draft.rng.randint(1, _LINES_MAX)
    folder = _shelf(draft) if folder is None else folder
    draft.op("upload", at_ms=at_ms, folder=folder, name=name, taken=taken, lines=lines)


def _hand_round(draft: Draft) -> None:
    """Folders are given to agents and taken from them, one or all of an agent's at once."""
    for _ in range(draft.rng.randint(0, 3)):
        draft.op(draft.pick(("give", "give", "take")), agent=draft.agent(), folder=_shelf(draft))
    for _ in range(draft.rng.randint(0, 2)):
        agent, moment = draft.agent(), draft.late(0.3)
        for folder in range(draft.options.folders):
            draft.op("give", at_ms=draft.moment(0.3), agent=agent, folder=folder)
            draft.op(draft.pick(("give", "take", "take")), at_ms=moment, agent=agent, folder=folder)


def _consult(draft: Draft, put: list[dict[str, Any]], words: list[str]) -> None:
    """An agent looks into its files, in one to three steps, and some of them are replaced or deleted meanwhile."""
    looks, moment = [], draft.moment()
    for _ in range(draft.rng.randint(1, 3)):
        one = draft.pick(put)
        path = f"folder-{one['folder']}/{one['name']}"
        grep = call("tool", "grep_files", pattern="^head ")
        search = call("tool", "semantic_search_files", query=draft.pick(words))
        opening = call("tool", "open_files", file_requests=[{"file_name": path}])
        looks.append(draft.pick((grep, search, opening, opening)))
        if draft.chance(0.3):
            _put(draft, one["name"], folder=one["folder"], at_ms=_soon(draft, moment), taken="replace")
    text = " ".join([*looks, "[[say:done {id}]]"])
    mode = draft.pick(("wait", "stream", "async"))
    draft.op("consult", at_ms=moment, agent=draft.agent(), mode=mode, text=text)


def _shelf(draft: Draft) -> int:
    return draft.rng.randint(0, draft.options.folders - 1)
