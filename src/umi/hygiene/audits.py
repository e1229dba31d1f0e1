"""The audit of a scope: what in it is said twice, worth nothing, out of date, secret, or left over.

Facts are read page by page; what is kept of each until the end is a digest and 64 numbers, so a scope of any size is
audited in bounded memory. Nothing is changed.
"""

from collections.abc import AsyncIterator

import msgspec

from umi import limits
from umi.archival.keys import digest
from umi.hygiene.detect import PERSONAL, SECRETS
from umi.hygiene.duplicates import Sketches, near, terms
from umi.hygiene.junk import junk
from umi.hygiene.policy import apply
from umi.storage import Row, View

_DAY_MS = 86_400_000
_PAGE = (
    "SELECT seq, id, text, importance, known_from_ms, valid_to_ms FROM fact"
    " WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL AND seq > ? ORDER BY seq LIMIT ?"
)
_TEXTS = "SELECT seq, id, text FROM fact WHERE tenant = ? AND scope = ? AND seq IN ({})"
# Facts that mention something that was looked up lately are in use.
_IN_USE = (
    "SELECT DISTINCT m.fact_seq FROM entity e JOIN mention m ON m.entity_seq = e.seq"
    " WHERE e.tenant = ? AND e.scope = ? AND e.last_access_ms >= ?"
)
_FORGOTTEN = "SELECT count(*) FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NOT NULL"
# What has no counterpart. Facts that were forgotten, not purged, keep their rows and what belongs to them.
_ORPHANS = {
    "mentions without a fact": (
        "SELECT count(*) FROM mention m JOIN entity e ON e.seq = m.entity_seq WHERE e.tenant = ? AND e.scope = ?"
        " AND NOT EXISTS (SELECT 1 FROM fact f WHERE f.seq = m.fact_seq)"
    ),
    "mentions without an entity": (
        "SELECT count(*) FROM fact f JOIN mention m ON m.fact_seq = f.seq WHERE f.tenant = ? AND f.scope = ?"
        " AND NOT EXISTS (SELECT 1 FROM entity e WHERE e.seq = m.entity_seq)"
    ),
    "entities without a mention": (
        "SELECT count(*) FROM entity e WHERE e.tenant = ? AND e.scope = ?"
        " AND NOT EXISTS (SELECT 1 FROM mention m WHERE m.entity_seq = e.seq)"
    ),
    "claims without a fact": (
        "SELECT count(*) FROM claim c WHERE c.tenant = ? AND c.scope = ?"
        " AND NOT EXISTS (SELECT 1 FROM fact f WHERE f.seq = c.fact_seq)"
    ),
    "facts whose claims can't be looked up": (
        "SELECT count(*) FROM fact f WHERE f.tenant = ? AND f.scope = ? AND f.claims <> '[]'"
        " AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.fact_seq = f.seq)"
    ),
    "old versions without a fact": (
        "SELECT count(*) FROM fact_past p WHERE p.tenant = ? AND p.scope = ?"
        " AND NOT EXISTS (SELECT 1 FROM fact f WHERE f.tenant = p.tenant AND f.id = p.fact_id)"
    ),
    "vectors without a fact": (
        "SELECT count(*) FROM fact_vector v WHERE v.tenant = ? AND v.scope = ?"
        " AND NOT EXISTS (SELECT 1 FROM fact f WHERE f.seq = v.fact_seq)"
    ),
}


class Example(msgspec.Struct, frozen=True):
    """A fact that was found, and of which the matter is: `other` is the fact it repeats, `excerpt` shows no secret."""

    fact_id: str
    excerpt: str
    why: str = ""
    other: str | None = None


class Audit(msgspec.Struct, kw_only=True):
    """What was found, as numbers of facts, with some examples of each.

    facts       that the scope holds, superseded ones included; `forgotten` are kept for history alone
    superseded  of them, no longer true
    duplicates  that say word for word what an earlier one says; `near_duplicates` in other words
    junk        see umi.hygiene.junk
    stale       unimportant, unchanged and (by what they mention) unused for `stale_days`
    secrets, personal  that hold such, see umi.hygiene.detect
    orphans     rows without their counterpart, by what they are: a defect of ours if there are any
    """

    tenant: str
    scope: str
    stale_days: int
    facts: int = 0
    forgotten: int = 0
    superseded: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    junk: int = 0
    stale: int = 0
    secrets: int = 0
    personal: int = 0
    orphans: dict[str, int] = {}
    examples: dict[str, list[Example]] = {}

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to do: what is superseded, stale or personal is no defect."""
        return not (self.duplicates or self.near_duplicates or self.junk or self.secrets or any(self.orphans.values()))

    def render(self) -> str:
        """The report as lines of text, for people."""
        lines = [f"scope {self.scope}: {self.facts:,} facts, {self.forgotten:,} forgotten"]
        for name, what in _LINES.items():
            count: int = getattr(self, name)
            share = f" ({100 * count / self.facts:.1f} %)" if self.facts else ""
            lines.append(f"  {what.format(days=self.stale_days):<42} {count:>8,}{share}")
            for one in self.examples.get(name, ()):
                why = f" [{one.why}]" if one.why else ""
                like = f" (like {one.other})" if one.other else ""
                lines.append(f"      {one.fact_id}{like}{why}: {one.excerpt}")
        lines += [f"  {what:<42} {count:>8,}" for what, count in self.orphans.items() if count]
        lines.append("  clean" if self.is_clean else "  not clean")
        return "\n".join(lines)


_LINES = {
    "superseded": "superseded",
    "duplicates": "exact duplicates",
    "near_duplicates": "near duplicates",
    "junk": "junk",
    "stale": "stale: low importance, unused {days} days",
    "secrets": "with secrets",
    "personal": "with personal data",
}


async def audit(
    view: View, tenant: str, scope: str, *, now_ms: int, stale_days: int = limits.AUDIT_STALE_DAYS_DEFAULT
) -> Audit:
    """Look at everything a scope holds. `now_ms` is in ms since 1970."""
    report = Audit(tenant=tenant, scope=scope, stale_days=stale_days)
    cutoff_ms = now_ms - stale_days * _DAY_MS
    in_use = {row[0] for row in await view.fetch(_IN_USE, tenant, scope, cutoff_ms)}
    seen: dict[bytes, str] = {}
    sketches = Sketches()
    async for seq, fact_id, text, importance, known_from_ms, valid_to_ms in _facts(view, tenant, scope):
        report.facts += 1
        if valid_to_ms is not None and valid_to_ms <= now_ms:
            report.superseded += 1
        elif importance < limits.AUDIT_STALE_IMPORTANCE_MAX and known_from_ms < cutoff_ms and seq not in in_use:
            _note(report, "stale", fact_id, text)
        _look_into(report, fact_id, text)
        earlier = seen.setdefault(digest(tenant, scope, text), fact_id)
        if earlier != fact_id:
            _note(report, "duplicates", fact_id, text, other=earlier)
        else:
            sketches.add(seq, terms(text))
    await _find_near(report, view, sketches)
    found = await view.all(*((sql, (tenant, scope)) for sql in (_FORGOTTEN, *_ORPHANS.values())))
    report.forgotten = found[0][0][0]
    report.orphans = {what: rows[0][0] for what, rows in zip(_ORPHANS, found[1:], strict=True)}
    return report


async def _facts(view: View, tenant: str, scope: str) -> AsyncIterator[Row]:
    after = -1
    while rows := await view.fetch(_PAGE, tenant, scope, after, limits.AUDIT_PAGE_FACTS):
        for row in rows:
            yield row
        after = rows[-1][0]


def _look_into(report: Audit, fact_id: str, text: str) -> None:
    """What the text alone shows."""
    if why := junk(text):
        _note(report, "junk", fact_id, text, why=why)
    _, findings = apply(text, {})
    for name, kinds in (("secrets", SECRETS), ("personal", PERSONAL)):
        if held := sorted({one.kind for one in findings} & kinds):
            _note(report, name, fact_id, text, why=", ".join(held))


async def _find_near(report: Audit, view: View, sketches: Sketches) -> None:
    """Compare the texts of those that may be near: read again, as they weren't kept."""
    repeats: set[int] = set()
    pairs = sketches.pairs()
    while chunk := [pair for pair, _ in zip(pairs, range(limits.AUDIT_PAGE_FACTS // 4), strict=False)]:
        wanted = sorted({sketches.ids[place] for pair in chunk for place in pair})
        rows = await view.fetch(
            _TEXTS.format(", ".join(map(str, wanted))), report.tenant, report.scope
        )  # integers of our own
        texts = {row[0]: (row[1], row[2]) for row in rows}
        for later, earlier in chunk:
            a, b = texts.get(sketches.ids[later]), texts.get(sketches.ids[earlier])
            if a is None or b is None or {later, earlier} & repeats:  # forgotten for good meanwhile, or known already
                continue
            if near(terms(a[1]), terms(b[1])) >= limits.NEAR_DUPLICATE_THRESHOLD:
                repeats.add(later)
                _note(report, "near_duplicates", a[0], a[1], other=b[0])


def _note(report: Audit, name: str, fact_id: str, text: str, *, why: str = "", other: str | None = None) -> None:
    setattr(report, name, getattr(report, name) + 1)
    shown: list[Example] = report.examples.setdefault(name, [])
    if len(shown) < limits.AUDIT_EXAMPLES_MAX:
        shown.append(Example(fact_id, _excerpt(text), why, other))


def _excerpt(text: str) -> str:
    """One line of a text, without what nobody should read in a report."""
    redacted, _ = apply(text[: 10 * limits.AUDIT_EXCERPT_CHARS_MAX], dict.fromkeys([*SECRETS, *PERSONAL], "redact"))
    line = " ".join(redacted.split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= limits.AUDIT_EXCERPT_CHARS_MAX else f"{line[: limits.AUDIT_EXCERPT_CHARS_MAX]}…"
