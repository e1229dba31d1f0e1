"""What is to be kept for later: what the user teaches in this turn, and what their answers settled."""

from typing import Any

from kelpie.analyst.planner.asked import Learned
from kelpie.analyst.planner.conversation import Call, Turn
from kelpie.analyst.planner.english.words import listed
from kelpie.analyst.planner.knowledge import Knowledge
from kelpie.analyst.planner.moves import CallTool
from kelpie.analyst.planner.taught.conventions import Taught
from kelpie.analyst.planner.taught.meanings import NoMeaning, meaning_of
from kelpie.analyst.planner.taught.wishes import Wish, split_wishes

_KEEP = "keep_convention"


class Keeping:
    """`can_keep`: whether there is a tool to keep with. For nobody in particular nothing outlives the conversation."""

    def __init__(self, turn: Turn, knowledge: Knowledge, taught: Taught, *, can_keep: bool) -> None:
        self._turn, self._taught = turn, taught
        self._can_keep = can_keep and taught.speaker.is_somebody
        self._wishes: list[tuple[Wish, dict[str, Any], str]] = []  # with what to keep, and how to say it
        self.unclear = ""
        for wish in split_wishes(turn.question, taught.speaker.teams)[0]:
            self._read(wish, knowledge)

    def _read(self, wish: Wish, knowledge: Knowledge) -> None:
        whose = {"scope": wish.scope} | ({"team": wish.team} if wish.team else {})
        if wish.kind == "preference":
            kept = {"kind": "preference", "topic": wish.topic, "value": wish.meaning} | whose
            said = f"{wish.meaning}s" if wish.topic == "show" else f"steps of a {wish.meaning.replace('_', ' ')}"
            self._wishes.append((wish, kept if wish.topic else {}, f"you like {said}" if wish.topic else ""))
            return
        try:
            learned = meaning_of(wish.topic, wish.meaning, knowledge)
        except NoMeaning as error:
            self.unclear = str(error)
            return
        kept = {"kind": "definition", "topic": learned.topic, "value": learned.value} | whose
        self._wishes.append((wish, kept, f"“{learned.topic}” means {learned.label}"))

    def wishes(self) -> CallTool | None:
        """A call that keeps the next thing the user wishes, or None if all is kept."""
        if not self._can_keep:
            return None
        return next((CallTool(_KEEP, kept) for _, kept, _ in self._wishes if kept and not self._call(kept)), None)

    def learned(self, learned: list[Learned]) -> CallTool | None:
        """The same for what answers and corrections settled."""
        if not self._can_keep:
            return None
        for one in learned:
            kept = {"kind": one.kind, "topic": one.topic, "value": one.value, "scope": self._own_scope}
            if not self._call(kept):
                return CallTool(_KEEP, kept)
        return None

    @property
    def _own_scope(self) -> str:
        return "person" if self._taught.speaker.person is not None else "team"

    def _call(self, kept: dict[str, Any]) -> Call | None:
        return next((call for call in self._turn.calls if call.name == _KEEP and call.arguments == kept), None)

    def confirmation(self) -> str:
        """What to say to a message that only wishes."""
        if self.unclear:
            return self.unclear
        if not any(kept for _, kept, _ in self._wishes):
            return "I can't act on that. I hold to tables or charts, to steps of time, and to what words mean."
        failed = [call.text for call in self._turn.calls if call.name == _KEEP and call.is_error]
        if failed:
            return f"I could not keep that: {failed[0]}"
        said = listed([said for _, kept, said in self._wishes if kept])
        if self._can_keep:
            return f"Noted for {self._whose()}: {said}."
        return f"I hold to that in this conversation: {said}. To keep it longer I need to know who you are."

    def _whose(self) -> str:
        wish = next(wish for wish, kept, _ in self._wishes if kept)
        if wish.scope == "team":
            return wish.team or listed(self._taught.speaker.teams) or "your team"
        return "everyone" if wish.scope == "organisation" else (self._taught.speaker.name or "you")

    def notes(self) -> list[str]:
        """What the answer has to say of it: what was kept in this turn, or why it could not be."""
        notes = []
        for call in self._turn.calls:
            if call.name == _KEEP and call.is_error:
                notes.append(f"I could not keep that for later: {call.text}")
            elif call.name == _KEEP and call.arguments.get("kind") != "preference":
                notes.append(f"I keep in mind what you mean by “{call.arguments.get('topic')}”.")
        return list(dict.fromkeys(notes))
