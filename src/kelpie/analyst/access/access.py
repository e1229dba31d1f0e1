"""Access: the rules that hold for one speaker asking through one semantic model."""

import hashlib

import msgspec

from kelpie.analyst.access import records
from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.semantic import records as models
from kelpie.analyst.sources.source import Source
from kelpie.people import records as people
from kelpie.people.records import Roster
from kelpie.people.speaker import Speaker
from umi.storage import View


class Access(msgspec.Struct, frozen=True):
    """rules    those that hold, all of them together
    columns  of each table with masked columns, its columns in order: what stands where a masked one was needs them
    """

    rules: tuple[AccessRule, ...] = ()
    columns: dict[str, list[str]] = {}

    @property
    def fingerprint(self) -> str:
        """Equal for speakers who may see the same; "" where nothing is kept back. A cache of anything that was read
        through an access is kept under it."""
        if not self.rules:
            return ""
        kept_back = sorted((rule.table, rule.rows or "", sorted(rule.mask), rule.deny) for rule in self.rules)
        return hashlib.sha256(msgspec.json.encode(kept_back)).hexdigest()[:16]

    def missing_rows(self) -> list[str]:
        """In words, which rows are not there for the one who asks."""
        return [rule.words() for rule in self.rules if rule.rows]

    async def over(self, source: Source) -> "Access":
        """The same, knowing the columns that the source's tables have now. Raises QueryFailed."""
        tables = sorted({rule.table for rule in self.rules if rule.mask})
        columns = {table: (await source.sample(table, 1)).columns for table in tables}
        return msgspec.structs.replace(self, columns=columns)


OPEN = Access()


async def access_for(view: View, tenant: str, semantic_model_id: str, speaker: Speaker) -> Access:
    """What holds for `speaker` now. Raises NotFound if there is no such semantic model."""
    model = await models.get(view, tenant, semantic_model_id)
    rules = await records.of_model(view, tenant, model.name)
    named = sorted({name for rule in rules for name in rule.named})
    known = await people.named(view, tenant, named) if named else Roster([], [])
    return Access(tuple(rule for rule in rules if rule.holds_for(speaker, known)))
