"""The made-up company, made once."""

import pytest

from kelpie.demo.company import build_company


@pytest.fixture(scope="session")
def company_path(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("company") / "company.duckdb")
    build_company(path, lambda text: None)
    return path
