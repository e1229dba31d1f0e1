"""`kelpie import-letta` as a person types it: what it prints, what it leaves, and that a server then serves it."""

import json

import pytest
from tests.kelpie.api.test_folders import done
from tests.kelpie.moving.letta.database import ADA, CHAT, FORK, MANUALS, MINE, NOTES, LettaDatabase, furnish, new_id

from kelpie.cli.app import app
from kelpie.errors import InvalidInput
from umi.errors import StoreInUse


@pytest.fixture(scope="module")
def letta(postgres_server):
    database = furnish(LettaDatabase(postgres_server, "letta_cli").make())
    yield database
    database.close()


@pytest.fixture
def typed(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        app(["import-letta", *map(str, arguments)], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_a_rehearsal_then_the_real_thing_then_again(letta, typed, tmp_path, start):
    folder, report = tmp_path / "data", tmp_path / "rows.jsonl"
    shown = typed(letta.url, "--data", folder, "--report", report, "--dry-run")
    assert "what would come over" in shown
    assert not folder.exists()
    shown = typed(letta.url, "--data", folder, "--report", report)
    (counts,) = [line for line in shown.splitlines() if line.strip("│ ").startswith("agents ")][:1]
    assert [cell.strip() for cell in counts.split("│")[1:-1]] == ["agents", "4", "2", "0", "2"]
    assert "it was deleted there" in shown
    assert "unaccounted" not in shown
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert any(line["table"] == "groups" and line["id"] == new_id("group", 3) for line in lines)
    again = typed(letta.url, "--data", folder, "--report", report)
    (counts,) = [line for line in again.splitlines() if line.strip("│ ").startswith("agents ")][:1]
    assert [cell.strip() for cell in counts.split("│")[1:-1]] == ["agents", "4", "0", "2", "2"]
    live = start(data_folder=str(folder))
    assert live.http.get(f"/v1/agents/{ADA}").json()["name"] == "Ada's helper"
    assert live.send(ADA, "Hello").status_code == 200
    found = live.http.post("/v1/passages/search", json={"agent_id": ADA}).json()
    assert [one["passage"]["text"] for one in found] == ["The key is under the mat"]
    assert done(live.http, {"id": MANUALS}, {"id": NOTES})["processing_status"] == "completed"  # indexed by the server
    assert "open_files" in [tool["name"] for tool in live.http.get(f"/v1/agents/{ADA}/tools").json()]
    assert live.http.get(f"/v1/conversations/{CHAT}").json()["isolated_block_ids"] == [MINE]
    told = live.http.get(f"/v1/conversations/{FORK}/messages", params={"order": "asc"}).json()
    assert [told[0]["content"], told[-1]["content"]] == ["Is it warm in Oslo?", "And Rome?"]
    with pytest.raises(StoreInUse):  # a server that runs has the store
        typed(letta.url, "--data", folder, "--report", report)


@pytest.mark.parametrize("tenant", [" ", "a:b"])
def test_a_tenant_that_no_key_could_open_is_refused(letta, typed, tenant):
    with pytest.raises(InvalidInput, match="a tenant's name"):
        typed(letta.url, "--tenant", tenant)


def test_a_report_without_a_folder_is_refused_before_anything_is_read(letta, typed, tmp_path):
    with pytest.raises(InvalidInput, match="can't write the report"):
        typed(letta.url, "--data", tmp_path / "data", "--report", tmp_path / "none" / "rows.jsonl")
    assert not (tmp_path / "data").exists()
