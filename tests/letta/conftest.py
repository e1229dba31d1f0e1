"""One server for all of them. The older clients, and the one for JavaScript, call when `make letta` asks them to; the
long search for requests that break the server is `make fuzz`."""

import pytest
from tests.kelpie.api.conftest import pytest_collection_modifyitems, scripted
from tests.letta.house import House

__all__ = ["pytest_collection_modifyitems", "scripted"]


@pytest.fixture(scope="session")
def house(scripted, tmp_path_factory):
    one = House(tmp_path_factory.mktemp("letta"), scripted)
    yield one
    one.close()
