"""The fixtures: hostile and legitimate statements of every dialect, as parameters of tests.

`-- verdict:` is what the guard says. `-- stopped: timeout` marks what it can't tell from a long query, and only the
deadline ends. `-- engine: refuses` marks what the engine alone, without the guard, refuses too; `exhausts` what takes
all memory of the machine before it hears that it is to stop.
"""

from tests.kelpie.analyst.warehouses import sql_cases

DIALECTS = ("duckdb", "sqlite", "postgres", "mysql")
TABLES = ["flights", "airlines", "airports"]


def hostile(dialect):
    return [case for case in sql_cases(f"guard/{dialect}/*.sql") if not _is_legitimate(case)]


def legitimate(dialect):
    return [case for case in sql_cases(f"guard/{dialect}/*.sql") if _is_legitimate(case)]


def _is_legitimate(case):
    heads = case.values[1]
    return heads["verdict"] == "passes" and "stopped" not in heads
