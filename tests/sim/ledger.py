"""A small bank on the real storage engine, and what it must look like after anything happened to the disk.

Writers plan against what they have read, with the version of each account as a guard; some of them plan on something
stale, or write what the schema refuses. A model in Python foretells the outcome of every commit and holds the rows
after each. Every commit leaves one entry, so the rows tell how many commits there were.
"""

from dataclasses import dataclass, field

from umi.errors import CommitUnknown, Conflict, GuardFailed, StoreError
from umi.storage import Changes, Migration
from umi.storage.engine import Batch, Commit, Engine, Read

LEDGER = [
    Migration(
        "ledger",
        1,
        """
        CREATE TABLE account (tenant TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
            balance INTEGER NOT NULL, PRIMARY KEY (tenant, key)) STRICT;
        CREATE TABLE entry (tenant TEXT NOT NULL, id INTEGER PRIMARY KEY, writer TEXT NOT NULL, number INTEGER NOT NULL,
            account TEXT NOT NULL, note BLOB NOT NULL, UNIQUE (tenant, writer, number),
            FOREIGN KEY (tenant, account) REFERENCES account (tenant, key) DEFERRABLE INITIALLY DEFERRED) STRICT;
        """,
    ),
    Migration("ledger", 2, "CREATE INDEX account_balance ON account (balance)"),
]
OPEN = "INSERT INTO account VALUES ('t', ?, 1, 0)"
MOVE = "UPDATE account SET version = version + 1, balance = balance + ? WHERE tenant = 't' AND key = ? AND version = ?"
ENTER = "INSERT INTO entry VALUES ('t', NULL, ?, ?, ?, ?) RETURNING id"
FORGET = "UPDATE entry SET note = x'' WHERE tenant = 't' AND writer = ? AND number < ?"

ACCOUNTS = "SELECT key, version, balance FROM account WHERE tenant = 't' ORDER BY key"
ENTRIES = "SELECT writer, number, account, note FROM entry WHERE tenant = 't' ORDER BY writer, number"
EVERYTHING = ((ACCOUNTS, ()), (ENTRIES, ()))
CHECKED = (("PRAGMA integrity_check", ()), ("PRAGMA foreign_key_check", ()), *EVERYTHING)

NOTE_BYTES = (0, 40, 700, 9_000)
WRITERS = ("ada", "bob", "cyd", "dot")
ACCOUNTS_MAX = 9


@dataclass
class State:
    """The rows, as the model knows them."""

    accounts: dict = field(default_factory=dict)  # key -> (version, balance)
    entries: dict = field(default_factory=dict)  # (writer, number) -> (account, note)

    def copy(self):
        return State(dict(self.accounts), dict(self.entries))

    def rows(self):
        return (
            [(key, *account) for key, account in sorted(self.accounts.items())],
            [(*entry, *content) for entry, content in sorted(self.entries.items())],
        )


@dataclass
class Planned:
    """One writer's commit: what to do, and what the model does if it succeeds."""

    writer: str
    changes: Changes
    moves: list  # (key, amount, version it was planned on)
    opens: str | None
    entry: tuple
    content: tuple
    forgets: bool = False

    def outcome(self, state):
        """What the engine must answer on `state`, as a type; None for success. Changes `state` if it is that."""
        after = state.copy()
        if self.opens is not None:
            if self.opens in after.accounts:
                return Conflict
            after.accounts[self.opens] = (1, 0)
        for key, amount, planned_on in self.moves:
            version, balance = after.accounts[key]
            if version != planned_on:
                return GuardFailed
            after.accounts[key] = (version + 1, balance + amount)
        if self.forgets:
            for (writer, number), (account, _) in list(after.entries.items()):
                if writer == self.writer and number < self.entry[1]:
                    after.entries[writer, number] = (account, b"")
        if self.entry in after.entries or self.content[0] not in after.accounts:
            return Conflict
        after.entries[self.entry] = self.content
        state.accounts, state.entries = after.accounts, after.entries
        return None


class Bank:
    """Plans the commits; every draw comes from `rng`."""

    def __init__(self, rng):
        self.rng = rng
        self.numbers = dict.fromkeys(WRITERS, 0)

    def pick(self, things):
        return things[self.rng.randint(0, len(things) - 1)]

    def batch(self, state):
        """One to four commits of different writers who all read `state`."""
        start, count = self.rng.randint(0, 3), self.rng.randint(1, 4)
        return [self.plan(WRITERS[(start + n) % 4], state) for n in range(count)]

    def plan(self, writer, state):
        self.numbers[writer] += 1
        number, keys, chance = self.numbers[writer], sorted(state.accounts), self.rng.random()
        changes, moves, opens, forgets = Changes(), [], None, False
        if len(keys) < 3 or (chance < 0.1 and len(keys) < ACCOUNTS_MAX):
            opens = f"account-{self.rng.randint(0, ACCOUNTS_MAX)}"  # sometimes one that exists
            account = opens
            changes.write(OPEN, opens)
        else:
            amount, account = self.rng.randint(1, 99), self.pick(keys)
            other = self.pick([key for key in keys if key != account])
            moves = [(account, -amount, state.accounts[account][0]), (other, amount, state.accounts[other][0])]
            if chance > 0.9:  # read too long ago
                moves[1] = (other, amount, moves[1][2] - 1)
            for key, moved, version in moves:
                changes.guard(f"version of {key}", MOVE, moved, key, version)
            if 0.8 < chance < 0.85:
                number -= 1  # entered before, or never
            elif 0.85 < chance < 0.9:
                account = "nobody's"
            elif chance < 0.2:
                forgets = True
                changes.write(FORGET, writer, number)
        note = self.rng.bytes(self.pick(NOTE_BYTES))
        changes.guard("entered", ENTER, writer, number, account, note)
        return Planned(writer, changes, moves, opens, (writer, number), (account, note), forgets)


def run(engine, *, reads=(), commits=()):
    """One batch through the engine: the outcomes of the reads and of the commits."""
    batch = Batch(list(reads), [Commit(tuple(changes.writes)) for changes in commits])
    engine.run(batch)
    return [read.outcome for read in batch.reads], [commit.outcome for commit in batch.commits]


def everything(engine):
    """All rows, or the error."""
    ((outcome,), _) = run(engine, reads=[Read(EVERYTHING)])
    return outcome if isinstance(outcome, Exception) else tuple(outcome)


class Teller:
    """Runs batches on an engine as a careful caller does, and knows at each moment what may be on the disk.

    The notes in the disk's log are lists of row sets: one where the outcome is certain, two while a group is being
    committed or its outcome is unknown. `history` holds the rows after every group.
    """

    def __init__(self, disk, engine, rng):
        self.disk, self.engine = disk, engine
        self.bank = Bank(rng)
        self.state = State()
        self.rows = self.state.rows()
        self.history = [self.rows]
        self.acknowledged = 0
        self.outcomes = []
        disk.mark([self.rows])

    def take_over(self):
        """Begin with the rows that are there, as another process left them."""
        accounts, entries = everything(self.engine)
        self.state = State(
            {key: (version, balance) for key, version, balance in accounts},
            {(writer, number): (account, note) for writer, number, account, note in entries},
        )
        for writer, number in self.state.entries:
            self.bank.numbers[writer] = max(number, self.bank.numbers[writer])
        self._settle(self.state, self.state.rows())

    def step(self):
        planned = self.bank.batch(self.state)
        whole = self.state.copy()
        for plan in planned:
            plan.outcome(whole)
        self.possible = possible = [self.rows, whole.rows()]
        self.disk.mark(possible)
        overlay = Read(EVERYTHING, over=tuple(planned[0].changes.writes))
        (seen,), outcomes = run(self.engine, reads=[overlay], commits=[plan.changes for plan in planned])
        self.outcomes.append([_word(outcome) for outcome in (seen, *outcomes)])
        self._check_overlay(planned[0], seen)
        after = self.state.copy()
        for plan, outcome in zip(planned, outcomes, strict=True):
            if isinstance(outcome, CommitUnknown):
                plan.outcome(after)  # written if the group was, unless it would have been refused
            elif not isinstance(outcome, StoreError):
                foretold = plan.outcome(after)
                assert foretold is (None if isinstance(outcome, list) else type(outcome)), (foretold, outcome)
        rows = after.rows()
        possible.append(rows)  # the power may have gone in the middle of what only now is known
        if any(isinstance(outcome, CommitUnknown) for outcome in outcomes):
            self._reload(after, rows)
        else:
            self._settle(after, rows, sum(isinstance(outcome, list) for outcome in outcomes))

    def _check_overlay(self, plan, seen):
        """A read over planned changes sees what they would do, and their refusals."""
        if isinstance(seen, StoreError):
            return
        after = self.state.copy()
        foretold = plan.outcome(after)
        if isinstance(seen, Exception):
            assert type(seen) is foretold, (seen, foretold)
        elif foretold is None:
            assert tuple(seen) == after.rows()
        else:
            assert foretold is Conflict, "only a deferred foreign key is left to the commit"

    def _settle(self, state, rows, acknowledged=0):
        self.state, self.rows = state, rows
        self.acknowledged += acknowledged
        self.history.append(rows)
        self.disk.mark([rows])

    def _reload(self, after, rows):
        """Nobody knows: read, for as long as it takes, and believe what is there."""
        for _ in range(40):
            found = everything(self.engine)
            if not isinstance(found, Exception):
                assert found in (self.rows, rows), "after an unknown outcome: neither before nor after"
                if found == rows:
                    self._settle(after, rows)
                else:
                    self.disk.mark([self.rows])
                return
            assert isinstance(found, StoreError), found
        raise StillInDoubt


class StillInDoubt(Exception):
    """Forty reads failed: this process gives up, as its owner would."""


def _word(outcome):
    return type(outcome).__name__ if isinstance(outcome, Exception) else "done"


def open_ledger(disk):
    return Engine(f"{disk.mount()}/store.db", LEDGER, vfs=disk.vfs)
