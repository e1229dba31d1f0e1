"""What was taken, and every row that was not: counted here, each named in a file."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.moving import limits

_NAMED = re.compile(r"'[^']*'")


@dataclass
class Report:
    """
    write   takes one line (JSON, with its end) for each row that is not taken or was changed
    rows    how many there are, by table
    taken   how many came over now; `already` how many were here
    missed  how many did not, by (table, why)
    shown   the first few of each, by (table, why): ids
    """

    write: Callable[[bytes], Any]
    rows: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    already: Counter[str] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)

    def miss(self, table: str, row: str, why: str) -> None:
        """A row that is not taken. What differs in what `why` names, in quotes, is counted together."""
        self.write(msgspec.json.encode({"table": table, "id": row, "not_taken": why}) + b"\n")
        self._count(table, _NAMED.sub("'…'", why), 1, row)

    def miss_all(self, table: str, why: str, count: int) -> None:
        """Rows that are counted, and not named one by one."""
        if count:
            self.write(msgspec.json.encode({"table": table, "rows": count, "not_taken": why}) + b"\n")
            self._count(table, why, count, None)

    def remark(self, table: str, row: str, what: str) -> None:
        """A row that is taken, and isn't what it was."""
        self.write(msgspec.json.encode({"table": table, "id": row, "remark": what}) + b"\n")
        if what in self.remarks or len(self.remarks) < limits.REPORT_KINDS_MAX:
            self.remarks[what] += 1

    def _count(self, table: str, why: str, count: int, row: str | None) -> None:
        if (table, why) not in self.missed and len(self.missed) >= limits.REPORT_KINDS_MAX:
            why = "for many reasons: see the report's file"
        self.missed[table, why] += count
        shown = self.shown.setdefault((table, why), [])
        if row is not None and len(shown) < limits.REPORT_SHOWN_MAX:
            shown.append(row)

    def unaccounted(self) -> dict[str, int]:
        """Tables of which some rows are neither taken nor said not to be: none, if all is as it should be."""
        missed: Counter[str] = Counter()
        for (table, _), count in self.missed.items():
            missed[table] += count
        left = {
            table: rows - self.taken[table] - self.already[table] - missed[table] for table, rows in self.rows.items()
        }
        return {table: count for table, count in left.items() if count}
