"""Conventions: what words mean to the person asking, and how they like their answers.

The tool `conventions` lists them. It has settled already which one counts where several do: said in the question, then
the person's, the team's, the organisation's; then by weight, then the newest.
"""

from typing import Any, Literal

import msgspec

Kind = Literal["definition", "preference", "correction"]
Scope = Literal["person", "team", "organisation"]


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """`whose` is how to call the person, team or organisation; `id` is "" for what this conversation alone holds."""

    id: str = ""
    kind: Kind
    topic: str
    value: str
    scope: Scope = "person"
    whose: str = ""
    weight: float = 1.0
    overrides: list[str] = []

    @property
    def named(self) -> str:
        """What it is and whose: "a preference of Finance (convention-…)"."""
        if not self.id:
            return "as you said in this conversation"
        whose = f"of {self.whose}" if self.whose else "of all"
        return f"a {self.kind} {whose} ({self.id})"


class Speaking(msgspec.Struct, frozen=True):
    """For whom the question is asked. `person` is None if nobody in particular is."""

    person: str | None = None
    name: str = ""
    teams: list[str] = []

    @property
    def is_somebody(self) -> bool:
        return self.person is not None or bool(self.teams)


class Taught(msgspec.Struct, frozen=True):
    """The conventions that apply to a question."""

    speaker: Speaking = Speaking()
    conventions: list[Convention] = []

    def meaning(self, topic: str) -> Convention | None:
        """What the phrase `topic` means: a correction before a definition."""
        found = [one for one in self.conventions if one.kind != "preference" and one.topic == topic.casefold()]
        return min(found, key=lambda one: one.kind != "correction", default=None)

    def preference(self, topic: str) -> Convention | None:
        return next((one for one in self.conventions if one.kind == "preference" and one.topic == topic), None)

    def with_own(self, own: list[Convention]) -> "Taught":
        """Together with what this conversation settled, which is newer: it takes the place of the same topic's."""
        latest = list({(one.kind == "preference", one.topic): one for one in own}.values())
        settled = {(one.kind == "preference", one.topic) for one in latest}
        kept = [one for one in self.conventions if (one.kind == "preference", one.topic) not in settled]
        return Taught(self.speaker, [*latest, *kept])


def read_conventions(data: Any) -> Taught | None:
    """What the tool `conventions` told, or None if that is something else."""
    try:
        return msgspec.convert(data, Taught)
    except msgspec.ValidationError:
        return None
