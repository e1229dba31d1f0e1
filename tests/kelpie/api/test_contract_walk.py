"""The contract against the running server: what it says is served is, with its parameters; what it refuses is refused
with its sentence; and it leaves nothing out."""

import importlib.util
import inspect
import json
import sys
from collections import Counter

import pytest
from tests.kelpie.api import contract
from tests.kelpie.api.test_contract import LETTA

from kelpie.api import unserved

CONTRACT = contract.load()
ANEW = "the routes changed: run `python -m tests.kelpie.api.contract`"
SERVED = [row for row in CONTRACT if row["served"] and row["of"] != "ours"]
REFUSED = [row for row in CONTRACT if not row["served"]]


def test_the_contract_says_how_much_is_served(capsys):
    with capsys.disabled():
        sys.stdout.write(f"\n{contract.counts(CONTRACT)}\n")
    assert len(SERVED) + len(REFUSED) == 302
    assert Counter(contract.name(row) for row in CONTRACT).most_common(1)[0][1] == 1


def test_what_is_served_is_in_the_routes_and_nothing_else_is(live):
    there = {(method, place) for method, place in contract.places(live.server.app)}
    said = {(row["method"], unserved.nameless(row["path"])) for row in CONTRACT if row["served"]}
    assert said - there == set(), ANEW
    assert there - said == set(), ANEW


def test_what_is_refused_answers_501_with_its_sentence(http):
    wrong = {}
    for row in REFUSED:
        answer = http.request(**contract.asking(row))
        if (answer.status_code, answer.json().get("detail")) != (501, row["refused"]):
            wrong[contract.name(row)] = (answer.status_code, answer.text[:200], row["refused"])
    assert wrong == {}, ANEW


def test_the_sentences_are_those_that_are_shipped():
    """One source: a reason is changed in the package, and the contract is written anew."""
    shipped = unserved.known()
    assert {contract.name(row): row["refused"] for row in REFUSED} == {
        contract.name(row): shipped.why(contract.name(row)) for row in REFUSED
    }, ANEW
    listed = {one for one in shipped.operations if not one.startswith("* ")}
    assert {contract.name(row) for row in CONTRACT if row["of"] != "ours"} == listed
    assert {reason for reason in shipped.operations.values() if reason} == set(shipped.refused)
    on_purpose = [row for row in SERVED if shipped.operations[contract.name(row)]]
    assert on_purpose == [], "served, and still refused on purpose in letta.json"


def test_what_is_served_takes_its_parameters(live):
    """With ids that nothing has: none but the required ones, then all that are taken at once, then each of the others.
    None is refused as malformed, none meets a bug, and each has the fate that the contract tells."""
    wrong, taken = {}, contract.described()
    for row in SERVED:
        place = row["method"], unserved.nameless(row["path"])
        fates = {one["name"]: one["fate"] for one in row["parameters"] if one["in"] != "path"}
        together = [name for name in fates if name in taken.get(place, ())]
        for names in ([], together, *([name] for name in fates if name not in together)):
            answer = live.http.request(**contract.asking(row, *names))
            found = {name: contract.fate(name, taken.get(place, ()), answer) for name in names}
            is_bug = answer.status_code in (405, 500) or (answer.status_code == 501 and not names)
            if is_bug or _problems(answer) or found != {name: fates[name] for name in names}:
                wrong[f"{contract.name(row)} {' '.join(names)}"] = (answer.status_code, found, answer.text[:300])
    assert wrong == {}, ANEW


def _problems(answer):
    """What an answer finds wrong outside the body."""
    detail = answer.json().get("detail") if answer.status_code == 422 else []
    problems = [problem["loc"] for problem in detail if isinstance(problem, dict)] if isinstance(detail, list) else []
    return [where for where in problems if where[0] != "body"]


@pytest.mark.parametrize("edit", ["served", "refused", "left out"])
def test_the_walk_sees_what_is_wrong(live, monkeypatch, edit):
    """A contract with a lie in it fails one of the tests above."""
    rows = [dict(row) for row in CONTRACT]
    if edit == "left out":
        rows.remove(next(row for row in rows if row["path"] == "/v1/blocks/" and row["method"] == "GET"))
    else:
        row = next(row for row in rows if row["served"] != (edit == "refused") and row["of"] == "cloud")
        row["served"] = not row["served"]
    monkeypatch.setitem(globals(), "CONTRACT", rows)
    with pytest.raises(AssertionError, match="the routes changed"):
        test_what_is_served_is_in_the_routes_and_nothing_else_is(live)


def test_the_contract_is_lettas_published_description(needs):
    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    published = json.loads(LETTA.read_text(encoding="utf-8"))["paths"]
    theirs = {}
    for path, operations in published.items():
        for method in {"get", "post", "put", "patch", "delete"} & set(operations):
            said = operations.get("parameters", []) + operations[method].get("parameters", [])
            theirs[method.upper(), path] = [(one["name"], one["in"], bool(one.get("required"))) for one in said]
    ours = {
        (row["method"], row["path"]): [(one["name"], one["in"], one["required"]) for one in row["parameters"]]
        for row in CONTRACT
        if row["of"] != "ours"
    }
    assert ours == theirs


def _operations(resource, prefix=""):
    """The names of the client's calls, as one writes them."""
    for name, value in inspect.getmembers(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(value):
            yield prefix + name
        elif hasattr(value, "func") and name != "with_raw_response":
            yield from _operations(getattr(resource, name), f"{prefix}{name}.")


def test_the_contract_holds_every_call_of_the_published_client(needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "letta-client is not installed")
    import letta_client

    client = letta_client.Letta(base_url="http://localhost", api_key="none")
    with client:
        calls = {
            call
            for name, value in inspect.getmembers(letta_client.Letta)
            if hasattr(value, "func") and not name.startswith(("_", "with_"))
            for call in _operations(getattr(client, name), f"{name}.")
        }
    assert {row["sdk"] for row in CONTRACT if row["sdk"]} == calls | {"health"}
