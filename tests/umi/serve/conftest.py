"""A server that every test of a module asks, and one with keys."""

import pytest

KEY = "a-key-that-is-long-enough"


@pytest.fixture(scope="module")
def server(tmp_path_factory, umi_serve):
    with umi_serve(tmp_path_factory.mktemp("served") / "memory.db") as url:
        yield url


@pytest.fixture(scope="module")
def locked(tmp_path_factory, umi_serve):
    """A server that asks for keys: one of the default tenant, one of "acme"."""
    keys = ("--key", KEY, "--key", f"acme={KEY}-acme")
    with umi_serve(tmp_path_factory.mktemp("locked") / "memory.db", *keys) as url:
        yield url
