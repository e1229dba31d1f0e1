"""What each operation takes, by name. The words of a parameter stand here once, for every way in."""

from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from umi import limits
from umi.storage import Page


def _says(text: str) -> Meta:
    return Meta(description=text)


Text = Annotated[str, _says("What to remember, as it was said.")]
FactId = Annotated[str, _says("The fact's id.")]
Moment = int | str
When = Annotated[Moment | None, _says("ISO 8601 text, or ms since 1970.")]
Actor = Annotated[str | None, _says("Who changes it; kept in the history.")]
Reason = Annotated[str | None, _says("Why; kept in the history.")]
Importance = Annotated[float, _says("From 0 to 1.")]
Filters = Annotated[
    dict[str, Any] | None,
    _says('Which facts: {"speaker": "Ada"}, {"importance": {"gte": 0.5}}, with AND, OR, NOT around them.'),
]
Tags = list[str]
Key = Annotated[str, _says("The key of working memory.")]
Ttl = Annotated[int | None, _says("Milliseconds until it is gone: an hour unless given, a week at most.")]
Value = Annotated[str | None, _says("A text; or give data.")]
Data = Annotated[bytes | None, _says("Bytes, as base64, instead of a text.")]
BlockType = Annotated[str | None, _says("system, persona, human, facts, goals or scratch; or name it by its label.")]
Label = Annotated[str | None, _says("The block's label, which is its type unless it has its own.")]


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    def arguments(self) -> dict[str, Any]:
        """As the method of Memory takes them."""
        return structs.asdict(self)


class Paged(Parameters, frozen=True, kw_only=True):
    limit: Annotated[int, _says("At most so many.")] = 50
    after: Annotated[str | None, _says("The id that the page follows.")] = None
    before: Annotated[str | None, _says("The id that the page ends before.")] = None
    newest_first: bool = False

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        page = Page(
            limit=given.pop("limit"),
            after=given.pop("after"),
            before=given.pop("before"),
            ascending=not given.pop("newest_first"),
        )
        return {"page": page, **given}


class AsOf(Parameters, frozen=True, kw_only=True):
    valid_at: Annotated[Moment | None, _says("What was true at this moment, instead of now.")] = None
    known_at: Annotated[Moment | None, _says("As it was believed at this moment, instead of now.")] = None

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        pair = (given.pop("valid_at"), given.pop("known_at"))
        return {**given, "as_of": None if pair == (None, None) else pair}


class Nothing(Parameters, frozen=True, kw_only=True):
    pass


class Remember(Parameters, frozen=True, kw_only=True):
    said: Annotated[
        str | list[dict[str, Any]],
        _says('A text; or messages, each with "role" and "content", perhaps with "name" and "time".'),
    ]
    importance: Importance = limits.MEMORY_IMPORTANCE_DEFAULT
    document_time: Annotated[Moment | None, _says("When it was said: relative dates in it count from there.")] = None
    event_time: Annotated[Moment | None, _says("When what it tells of happened, if the text doesn't say.")] = None
    metadata: dict[str, Any] | None = None
    source: Annotated[str | dict[str, Any] | None, _says("What it stands on: a document, a message, a person.")] = None
    tags: Tags = []
    session: Annotated[str | None, _says("The conversation it belongs to.")] = None
    speaker: Annotated[str | None, _says("Who said it.")] = None
    extract: Annotated[bool, _says("Find names, claims and dates in it.")] = True
    actor: Actor = None


class AddFacts(Parameters, frozen=True, kw_only=True):
    facts: Annotated[
        list[str | dict[str, Any]],
        _says("Texts, or objects with text, or subject, attribute and value, and what else a fact may say."),
    ]
    source: str | dict[str, Any] | None = None
    extract: bool = False
    actor: Actor = None


class Recall(AsOf, frozen=True, kw_only=True):
    query: Annotated[str, _says("What to find, in plain words.")]
    limit: Annotated[int, _says("At most so many, up to 100.")] = limits.MEMORY_RECALL_LIMIT_DEFAULT
    time_from: Annotated[Moment | None, _says("Only what happened from this moment on.")] = None
    time_to: Annotated[Moment | None, _says("Only what happened up to this moment.")] = None
    include_undated: Annotated[bool, _says("With a range of time: also what has no date.")] = False
    filters: Filters = None
    tags: Tags = []
    deep: Annotated[bool | None, _says("Ask the model for other wordings: yes, no, or where the answer is weak.")] = (
        None
    )
    explain: Annotated[bool, _says("Say what each channel contributed to a score.")] = False
    superseded: Annotated[bool, _says("Also what is no longer true.")] = False

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        span = (given.pop("time_from"), given.pop("time_to"))
        return {**given, "time_range": None if span == (None, None) else span}


class OneFact(Parameters, frozen=True, kw_only=True):
    fact_id: FactId


class ListFacts(Paged, frozen=True, kw_only=True):
    filters: Filters = None


class Update(Parameters, frozen=True, kw_only=True):
    fact_id: FactId
    text: Annotated[str | None, _says("What it says from now on; what it said stays in its history.")] = None
    importance: float | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    event_time: When = None
    valid_to: Annotated[Moment | None, _says("When it stopped being true.")] = None
    actor: Actor = None
    reason: Reason = None


class Forget(Parameters, frozen=True, kw_only=True):
    fact_id: FactId
    hard: Annotated[bool, _says("Leave no byte of it, and no way back.")] = False
    actor: Actor = None
    reason: Reason = None


class ForgetSource(Parameters, frozen=True, kw_only=True):
    source: Annotated[str | dict[str, Any], _says("The source, as it was given when the facts were remembered.")]
    hard: bool = False
    actor: Actor = None


class History(Parameters, frozen=True, kw_only=True):
    fact_id: Annotated[str | None, _says("One fact's id; without it, all of them.")] = None


class Undo(Parameters, frozen=True, kw_only=True):
    change_or_fact_id: Annotated[
        str, _says("A change's id, to take back all it did; or a fact's, for its last change.")
    ]
    actor: Actor = None


class Believed(Parameters, frozen=True, kw_only=True):
    valid: When = None
    known: When = None


class Diff(Parameters, frozen=True, kw_only=True):
    before: Annotated[Moment, _says("ISO 8601 text, or ms since 1970.")]
    after: When = None


class Entities(Paged, frozen=True, kw_only=True):
    types: Annotated[list[str], _says("Only of these types: person, organization, project, …")] = []


class OneEntity(Parameters, frozen=True, kw_only=True):
    name: str


class Neighbours(AsOf, frozen=True, kw_only=True):
    name: Annotated[str, _says("The named thing to begin at.")]
    relation: Annotated[str | None, _says("Only this one: works_at, knows, …")] = None


class Paths(AsOf, frozen=True, kw_only=True):
    start: str
    end: str
    hops: Annotated[int, _says("Over at most so many facts.")] = 3


class Audit(Parameters, frozen=True, kw_only=True):
    stale_days: Annotated[int, _says("What is unimportant and was unused for so many days is stale.")] = (
        limits.AUDIT_STALE_DAYS_DEFAULT
    )


class OneBlock(Parameters, frozen=True, kw_only=True):
    type: BlockType = None
    label: Label = None


class SetBlock(Parameters, frozen=True, kw_only=True):
    type: BlockType = None
    content: Annotated[str, _says("What the block says from now on.")]
    label: Label = None
    importance: float | None = None


class AppendBlock(Parameters, frozen=True, kw_only=True):
    label: Annotated[str, _says("The block's label; it is made if there is none.")]
    text: Annotated[str, _says("The line to add.")]


class BlockImportance(Parameters, frozen=True, kw_only=True):
    importance: Importance
    type: BlockType = None
    label: Label = None


class Render(Parameters, frozen=True, kw_only=True):
    format: Annotated[str, _says("xml, markdown or json.")] = "xml"
    tokens_max: Annotated[int | None, _says("At most so many tokens; the least important is left out.")] = None


class OneKey(Parameters, frozen=True, kw_only=True):
    key: Key


def _with_bytes(given: dict[str, Any], text: str, data: str) -> dict[str, Any]:
    """The same with one argument, a text or bytes, for the two parameters that say it."""
    data_given = given.pop(data)
    return given if data_given is None else {**given, text: data_given}


class SetKey(Parameters, frozen=True, kw_only=True):
    key: Key
    value: Value = None
    data: Data = None
    ttl_ms: Ttl = None

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        return _with_bytes(given, "value", "data")


class CompareAndSet(SetKey, frozen=True, kw_only=True):
    expected: Annotated[str | None, _says("The text that must be there; without it, nothing may be.")] = None
    expected_data: Annotated[bytes | None, _says("The bytes that must be there, as base64.")] = None

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        return _with_bytes(given, "expected", "expected_data")


class Incr(Parameters, frozen=True, kw_only=True):
    key: Key
    delta: int = 1
    ttl_ms: Ttl = None


class Touch(Parameters, frozen=True, kw_only=True):
    key: Key
    ttl_ms: Ttl = None
