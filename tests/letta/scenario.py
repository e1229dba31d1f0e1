"""The rows of the table, played by one client against one server: each operation succeeds, refuses what is wrong, and
knows nothing of another tenant's things. What isn't as with Letta is a finding: one line, without ids."""

import json
import re
import time
from collections import Counter

from tests.letta import table
from tests.letta.house import OPERATOR

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
ID = re.compile(rf"\b[a-z_]+(?:-[a-z]+)?-{UUID}")
KINDS = ("success", "bad", "foreign")
TRIES, PAUSE_S = 400, 0.025


def comparable(finding):
    """A finding without what differs from run to run."""
    return re.sub(r"\[\d+\]", "[]", re.sub(rf"(\b[a-z_]+-)?{UUID}", "ID", finding))


class Scenario:
    """caller    who calls (see clients.py); `ours` and `theirs` are the keys of two tenants
    schema_faults  what of an answer is not as a published schema has it
    checked   how many assertions of each kind were made, by operation
    findings  what differed
    """

    def __init__(self, caller, ours, theirs, schema_faults=None):
        self._caller, self._theirs = caller, theirs
        self._keys = {"ours": ours, "operator": OPERATOR}
        self._schema_faults = schema_faults or (lambda row, answer: [])
        self.checked, self.findings, self.kept = Counter(), set(), {}
        self._ids, self._of_all = set(), set()

    def play(self, rows):
        self._of_all = self._ids_in(self._caller.call(self._theirs, table.Row("GET /v1/tools/"), {"limit": 200}))
        for row in rows:
            try:
                give = table.filled(row.give, self.kept)
            except KeyError as missing:
                self._check(row, "success", [f"nothing was kept as {missing}"])
                continue
            if row.bad or not self.checked[row.op, "bad"]:
                self._bad(row, give)
            if row.foreign or not self.checked[row.op, "foreign"]:
                self._foreign(row, give)
            self.success(row, give)

    def _check(self, row, kind, faults, by="http"):
        self.checked[row.op, kind] += 1
        self.findings |= {comparable(f"{row.op}: {kind}: {fault}") for fault in faults}

    def success(self, row, give):
        answer = self._caller.call(self._keys[row.key], row, give)
        for _ in range(TRIES):
            if not row.until or not table.faults(answer.value, table.filled(row.until, self.kept)):
                break
            time.sleep(PAUSE_S)
            answer = self._caller.call(self._keys[row.key], row, give)
        self._ids |= self._ids_in(answer) - self._of_all
        faults = self._of_status(answer, row.status)
        if not faults:
            for name, place in row.keep.items():
                self.kept[name] = table.at(answer.value, place)
            faults = table.faults(answer.value, table.filled({**row.want, **row.until}, self.kept))
            faults += [f"schema: {fault}" for fault in self._schema_faults(row, answer)]
        self._check(row, "success", faults)

    def _bad(self, row, give):
        for instead, status in self._wrong(row, give):
            key = None if status == 401 else self._keys[row.key]
            answer = self._caller.call(key, row, {**give, **instead})
            faults = self._of_status(answer, status)
            if not faults and status >= 400 and not self._says_why(answer):
                faults = ["the refusal says nothing"]
            self._check(row, "bad", faults)

    def _wrong(self, row, give):
        """What to give instead, and the status that it should be answered with."""
        if row.bad:
            return [(table.filled(row.bad.get("give", {}), self.kept), row.bad["status"])]
        of_ids = [name for name in row.places if ID.fullmatch(str(give.get(name)))]
        if of_ids:
            return [({of_ids[-1]: "no-id"}, 422)]
        if row.places:
            return [({row.places[-1]: "no-such-thing"}, 404)]
        return [({}, 401)]

    def _foreign(self, row, give):
        answer = self._caller.call(self._theirs, row, give)
        wanted = row.foreign or (404 if row.names_a_thing else row.status)
        faults = self._of_status(answer, wanted)
        seen = self._ids_in(answer) & self._ids - set(ID.findall(json.dumps(give)))
        if seen:
            faults.append(f"it holds {len(seen)} ids of another tenant")
        self._check(row, "foreign", faults)

    def _of_status(self, answer, wanted):
        if answer.status is None or (answer.status < 400 and answer.error):
            return [f"{answer.by} raised {answer.error}"]
        if answer.status != wanted:
            return [f"answered {answer.status}, not {wanted}: {_detail(answer)}"]
        return []

    def _says_why(self, answer):
        return isinstance(answer.body, dict) and bool(answer.body.get("detail") or answer.body.get("error"))

    def _ids_in(self, answer):
        return set(ID.findall(answer.text))

    def too_few(self, operations):
        """Operations without an assertion of each kind."""
        return {op: [kind for kind in KINDS if not self.checked[op, kind]] for op in operations if not self._whole(op)}

    def _whole(self, op):
        return all(self.checked[op, kind] for kind in KINDS)


def _detail(answer):
    return json.dumps(answer.body)[:300]
