"""`kelpie keys` and `kelpie tenants`, typed by a person in front of a real server."""

import re

import pytest
from tests.kelpie.cli.test_commands import kelpie

from benchmarks.processes import start_backend, start_kelpie

OPERATOR = "operator-key-0123456789"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    backend = start_backend(folder)
    server = start_kelpie(folder, backend, KELPIE_KEYS=f"*={OPERATOR}")
    server.wait_healthy("/v1/health/")
    yield server
    server.stop()
    backend.stop()


def test_a_key_from_its_making_to_its_end(place):
    def typed(*arguments, key=OPERATOR):
        return kelpie(*arguments, "--url", place.url, "--key", key)

    code, shown, _ = typed("tenants", "create", "acme", "--agents", "5", "--messages", "60")
    assert (code, "acme: agents 5, messages_per_minute 60" in shown) == (0, True)
    code, shown, _ = typed("keys", "create", "first", "--tenant", "acme", "--scope", "admin", "--days", "30")
    assert (code, "admin for tenant 'acme', until 20" in shown) == (0, True)
    key_id, key = re.search(r"key-[0-9a-f-]{36}", shown).group(), shown.split()[-1]
    code, shown, _ = typed("keys", "list", key=key)
    assert (code, key_id in shown, "first" in shown, "active" in shown, key in shown) == (0, True, True, True, False)
    code, shown, _ = typed("keys", "list", "--tenant", "acme")
    assert (code, key_id in shown) == (0, True)
    code, shown, _ = typed("tenants", "quota", "acme", "--runs", "2")
    assert (code, "open_runs 2" in shown, "it has agents 0" in shown) == (0, True, True)
    code, shown, _ = typed("tenants", "list")
    assert (code, "acme" in shown) == (0, True)
    code, shown, _ = typed("tenants", "list", key=key)
    assert (code, "the operator's key" in shown) == (1, True)
    code, shown, _ = typed("keys", "revoke", key_id, "--tenant", "acme")
    assert (code, "opens nothing any more" in shown) == (0, True)
    code, shown, _ = typed("keys", "list", key=key)
    assert (code, "not known to this server" in shown) == (1, True)
