"""What the server imports when it starts must not pull in what only a query needs."""

import subprocess
import sys

import pytest

HEAVY = ("duckdb", "sqlglot", "vl_convert", "yaml", "numpy", "psycopg", "pymysql", "python_calamine")


@pytest.mark.parametrize(
    "module",
    [
        "tools",
        "service",
        "agent",
        "migrations",
        "connections",
        "results",
        "sources.engines",
        "provenance",
        "provenance.checking",
        "provenance.crossing",
        "provenance.executing",
        "questions",
        "answers",
        "reports",
        "charts",
        "learned",
        "confirming",
        "semantic.records",
        "planner.model",
    ],
)
def test_a_module_the_server_starts_with_is_light(module):
    code = f"import sys, kelpie.analyst.{module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_a_heavy_module_would_be_noticed():
    code = f"import sys, kelpie.analyst.guard; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "sqlglot"
