"""What clients saw, and whether any order of the operations explains it.

A History records when each operation was invoked and when it returned. `check` looks for an order that respects real
time (an operation that returned before another began comes first) and in which a plain, sequential model gives the
same answers: linearizability, after Wing and Gong (1993) and Lowe (2017). An operation of unknown outcome may have
taken effect at any time since, or never. Keys are checked one by one: a history is linearizable exactly if each
key's part is (Herlihy and Wing, 1990).
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from umi.dst.clock import Clock

T = TypeVar("T")

NEVER = float("inf")
CONFIGURATIONS_MAX = 1_000_000
_SHOWN_MAX = 20


@dataclass(slots=True, eq=False)
class Operation:
    """`invoked` and `returned` number the events of the whole history: time may stand still between two of them."""

    key: Hashable
    name: str
    argument: Any
    client: str
    invoked: int
    invoked_ms: float
    returned: float = NEVER
    returned_ms: float = NEVER
    result: Any = None

    @property
    def is_unknown(self) -> bool:
        """Nobody heard the answer: it may have taken effect, may do so later, or never."""
        return self.returned == NEVER

    def __str__(self) -> str:
        end = "?" if self.is_unknown else f"{self.returned_ms:.3f}"
        answer = "unknown" if self.is_unknown else repr(self.result)
        return f"{self.client} [{self.invoked_ms:.3f}, {end}] {self.key} {self.name}({self.argument!r}) -> {answer}"


class UndecidedHistory(Exception):
    """Too many operations at once to try every order. Say nothing rather than "fine": split keys or shorten the run."""


class History:
    """Record with `call`, or with `invoke` and then `returned` or `refused`. What is neither has an unknown outcome."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events = 0
        self._operations: dict[Operation, None] = {}

    @property
    def operations(self) -> list[Operation]:
        """In the order of invocation, without those that were refused."""
        return list(self._operations)

    def invoke(self, key: Hashable, name: str, argument: Any = None, *, client: str = "client") -> Operation:
        self._events += 1
        operation = Operation(key, name, argument, client, self._events, self._clock.monotonic_ms())
        self._operations[operation] = None
        return operation

    def returned(self, operation: Operation, result: Any = None) -> None:
        """It took effect, and this is its answer."""
        assert operation.is_unknown, f"returned twice: {operation}"
        self._events += 1
        operation.returned, operation.returned_ms, operation.result = self._events, self._clock.monotonic_ms(), result

    def refused(self, operation: Operation) -> None:
        """It certainly had no effect, and never will."""
        del self._operations[operation]

    def forget_since(self, moment_ms: float) -> None:
        """Leave out what was invoked since then (by the History's clock: `monotonic_ms`)."""
        self._operations = {one: None for one in self._operations if one.invoked_ms < moment_ms}

    async def call(
        self,
        key: Hashable,
        name: str,
        argument: Any,
        work: Awaitable[T],
        *,
        client: str = "client",
        refusals: tuple[type[BaseException], ...] = (),
    ) -> T:
        """Await `work` and record what became of it. `refusals` are the errors that promise that nothing happened;
        after any other one the outcome is unknown. Raises what `work` raises."""
        operation = self.invoke(key, name, argument, client=client)
        try:
            result = await work
        except refusals:
            self.refused(operation)
            raise
        self.returned(operation, result)
        return result


@dataclass(frozen=True, slots=True)
class Model:
    """What the operations would do one after the other.

    apply      the states that an operation may lead to from a state; none if the state contradicts what it returned.
               For an operation of unknown outcome: every state it may lead to. States are hashable
    pivot      the operation of a key whose answer says most about the states before and after it, if there is one
    plausible  (state, pivot, whether it was placed): false for a state that contradicts the pivot's answer. It spares
               the check orders that can't end well: without it, twenty appends at once have 20! of them
    """

    initial: Hashable
    apply: Callable[[Any, Operation], Iterable[Any]]
    pivot: Callable[[Sequence[Operation]], Operation | None] = lambda _: None
    plausible: Callable[[Any, Operation, bool], bool] = lambda *_: True


def _register(value: Any, operation: Operation) -> Iterator[Any]:
    match operation.name:
        case "write":
            yield operation.argument
        case "read" if operation.is_unknown or operation.result == value:
            yield value


def _append_list(items: tuple[Any, ...], operation: Operation) -> Iterator[tuple[Any, ...]]:
    match operation.name:
        case "append" if operation.is_unknown or operation.result in (None, len(items)):
            yield (*items, operation.argument)
        case "read" if operation.is_unknown or tuple(operation.result) == items:
            yield items


def _last_longest_read(operations: Sequence[Operation]) -> Operation | None:
    reads = [one for one in operations if one.name == "read" and not one.is_unknown]
    return max(reads, key=lambda one: (len(one.result), one.invoked), default=None)


def _grows_through(items: tuple[Any, ...], read: Operation, placed: bool) -> bool:
    longest = tuple(read.result)
    return items[: len(longest)] == longest if placed else items == longest[: len(items)]


def _counter(count: int, operation: Operation) -> Iterator[int]:
    match operation.name:
        case "add" if operation.is_unknown or operation.result in (None, count + operation.argument):
            yield count + operation.argument
        case "read" if operation.is_unknown or operation.result == count:
            yield count


# One value, at first None: write(v), read() -> v.
REGISTER = Model(None, _register)
# A list that only grows: append(item) -> its position, or None where nobody says; read() -> all items.
APPEND_LIST = Model((), _append_list, _last_longest_read, _grows_through)
# A number, at first 0: add(n) -> the sum after it, or None where nobody says; read() -> the sum.
COUNTER = Model(0, _counter)


@dataclass(slots=True)
class Violation:
    """No order explains these operations of one key.

    state  the model's, after the longest explanation that was found
    stuck  the operations one of which would have to be next, and can't
    """

    key: Hashable
    state: Any
    stuck: list[Operation]
    operations: list[Operation] = field(repr=False)

    def __str__(self) -> str:
        shown = "\n  ".join(str(operation) for operation in self.operations[-_SHOWN_MAX:])
        stuck = "\n  ".join(str(operation) for operation in self.stuck)
        return (
            f"{self.key}: no order of {len(self.operations)} operations explains their answers. The last ones:\n"
            f"  {shown}\nAt best the state becomes {self.state!r}. Each of these contradicts that, or leads to a state"
            f" that a later answer contradicts:\n  {stuck}"
        )


def check(operations: Iterable[Operation], model: Model) -> list[Violation]:
    """The keys whose operations no order explains, by their first operation. Raises UndecidedHistory."""
    by_key: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    return [found for key, part in by_key.items() if (found := _check_key(key, part, model))]


# What was placed so far: how many of the known operations from the first on, which of those after them and which of
# the unknown ones (as bits), and the state that leads to.
_Configuration = tuple[int, int, int, Any]


def _check_key(key: Hashable, operations: list[Operation], model: Model) -> Violation | None:
    ordered = sorted(operations, key=lambda operation: operation.invoked)
    known = [operation for operation in ordered if not operation.is_unknown]
    unknown = [operation for operation in ordered if operation.is_unknown]
    pivot = model.pivot(known)
    pivot_at = known.index(pivot) if pivot is not None else 0
    start: _Configuration = (0, 0, 0, model.initial)
    seen, stack = {start}, [start]
    best, best_placed = start, -1
    while stack:
        configuration = stack.pop()
        placed, mask, _, _ = configuration
        if placed == len(known):
            return None  # the unknown ones may never have happened
        if placed + mask.bit_count() > best_placed:
            best, best_placed = configuration, placed + mask.bit_count()
        for successor in _successors(configuration, known, unknown, model):
            if successor in seen:
                continue
            if pivot is None or model.plausible(successor[3], pivot, _is_placed(successor, pivot_at)):
                seen.add(successor)
                stack.append(successor)
        if len(seen) > CONFIGURATIONS_MAX:
            raise UndecidedHistory(f"{key}: {len(seen):,} ways to order {len(ordered)} operations, and no end in sight")
    stuck = [operation for operation, _, _ in _candidates(best, known, unknown)]
    return Violation(key, best[3], stuck, ordered)


def _is_placed(configuration: _Configuration, at: int) -> bool:
    placed, mask, _, _ = configuration
    return at < placed or bool(mask >> (at - placed) & 1)


def _successors(
    configuration: _Configuration, known: Sequence[Operation], unknown: Sequence[Operation], model: Model
) -> list[_Configuration]:
    """Every way to place one more operation; the last one is the most promising."""
    placed, mask, mask_unknown, state = configuration
    found: list[_Configuration] = []
    for operation, bit, is_unknown in _candidates(configuration, known, unknown):
        for after in model.apply(state, operation):
            if is_unknown:
                if after != state:  # placing it explains nothing otherwise
                    found.append((placed, mask, mask_unknown | bit, after))
                continue
            now, now_mask = placed, mask | bit
            while now_mask & 1:
                now, now_mask = now + 1, now_mask >> 1
            found.append((now, now_mask, mask_unknown, after))
    return found


def _candidates(
    configuration: _Configuration, known: Sequence[Operation], unknown: Sequence[Operation]
) -> list[tuple[Operation, int, bool]]:
    """The operations that may be next, with their bits: no other one that is left returned before they began."""
    placed, mask, mask_unknown, _ = configuration
    bound = NEVER
    next_known: list[tuple[Operation, int, bool]] = []
    for offset in range(len(known) - placed):
        operation = known[placed + offset]
        if operation.invoked > bound:
            break
        if not mask >> offset & 1:
            next_known.append((operation, 1 << offset, False))
            bound = min(bound, operation.returned)
    next_unknown = [
        (operation, 1 << at, True)
        for at, operation in enumerate(unknown)
        if operation.invoked <= bound and not mask_unknown >> at & 1
    ]
    # What returns first is tried first, an unknown outcome only when nothing else explains the rest.
    return [*next_unknown, *sorted(next_known, key=lambda candidate: -candidate[0].returned)]
