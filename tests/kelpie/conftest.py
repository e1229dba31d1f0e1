"""One self-test of the sandbox for all of kelpie: a sandbox that has passed it, or a visible skip that says why."""

import asyncio

import pytest

from kelpie.sandbox import ProcessLevel
from umi.dst import Host


@pytest.fixture(scope="session")
def tested():
    """A ProcessLevel after its self-test, and the report."""
    sandbox = ProcessLevel(Host())
    return sandbox, asyncio.run(sandbox.report())


@pytest.fixture
def sandbox(needs, tested):
    """A sandbox of this test's own event loop that doesn't repeat the self-test."""
    passed, report = tested
    needs("sandbox", report.exists, report.reason)
    fresh = ProcessLevel(Host())
    fresh._jail, fresh._report = passed._jail, report
    return fresh
