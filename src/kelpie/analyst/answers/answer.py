"""What an answer is made of."""

from typing import Any, Literal

import msgspec

from kelpie.analyst.provenance.checking import Check
from kelpie.analyst.provenance.records import Label, NumberRecord
from kelpie.analyst.results import Chart, StoredQuery


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was done for the answer, in words; of a query also its id, SQL, rows and time."""

    kind: Literal["conventions", "catalog", "query", "refused", "failed", "chart", "question", "kept", "other"]
    text: str
    query_id: str = ""
    sql: str = ""
    rows: int | None = None
    duration_ms: float | None = None


class ConventionUse(msgspec.Struct, frozen=True, kw_only=True):
    """A convention that held for the one who asked. `used`: the answer would perhaps have been another without it."""

    id: str
    kind: str
    topic: str
    value: str
    scope: str
    whose: str
    used: bool


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How new the data are: the last day they cover, when the source changed, and when it was asked."""

    first: str | None
    last: str | None
    changed_ms: int | None
    asked_at_ms: int
    where: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is what may be shown. If a number in the model's own words had no source, it is a sentence that says so,
    and `unsourced` is that number.

    numbers   a record for each number of the text, in order
    queries   those that ran; `denied` those that were refused or failed
    label     the weakest of what its numbers are: "verified", "derived" or "unverified"; None without numbers
    caveats   what a reader should know, in sentences
    """

    agent_id: str
    run_id: str
    status: str
    question: str
    text: str
    error: dict[str, Any] | None
    unsourced: str | None
    label: Label | None
    queries: list[StoredQuery]
    denied: list[StoredQuery]
    charts: list[Chart]
    numbers: list[NumberRecord]
    checks: list[Check]
    steps: list[Step]
    conventions: list[ConventionUse]
    caveats: list[str]
    freshness: Freshness | None
    model: str
    semantic_model: str
    person: str | None
    name: str
    asked_at_ms: int
    completed_at_ms: int | None
