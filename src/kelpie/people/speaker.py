"""Who a question is asked for. Bound to a run when it is accepted, never taken from a text."""

import msgspec


class Speaker(msgspec.Struct, frozen=True):
    """A person, somebody of a team, or nobody in particular.

    person  a person's id; None for nobody in particular: no person was named, or a team is spoken for
    name    what to call them, "" for nobody
    teams   names of teams, sorted: the person's, or the one spoken for
    """

    person: str | None
    name: str
    teams: tuple[str, ...]

    @property
    def key(self) -> str:
        """One text for each speaker, "" for nobody; a person stays the same whatever their name and teams."""
        if self.person is not None:
            return self.person
        return f"team:{self.teams[0]}" if self.teams else ""


NOBODY = Speaker(None, "", ())
