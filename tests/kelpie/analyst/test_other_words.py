"""The planner on a coffee shop: another warehouse, other words, the same code. All it knows comes from the YAML."""

import pathlib
import re

import pytest
import yaml
from tests.kelpie.analyst.warehouses import COFFEE_YAML, ask, sql_cases

from kelpie.analyst import planner
from kelpie.analyst.planner.english.words import stem
from kelpie.demo.warehouse import semantic_model_yaml


@pytest.mark.parametrize(("question", "heads", "sql"), sql_cases("questions/coffee_lists.sql"))
async def test_a_list_is_that_of_hand_written_sql(coffee, coffee_path, question, heads, sql):
    answer = await coffee.ask(question)
    table = [line.split(" | ")[0].removeprefix("| ") for line in answer.split("\n") if line.startswith("| ")]
    assert table[1:] == [str(row[0]) for row in ask(coffee_path, sql)], answer


@pytest.mark.parametrize(("question", "heads", "sql"), sql_cases("questions/coffee_numbers.sql"))
async def test_a_number_is_that_of_hand_written_sql(coffee, coffee_path, question, heads, sql):
    ((expected,),) = ask(coffee_path, sql)
    answer = await coffee.ask(question)
    assert f"**{heads['written'].format(expected)}**" in answer, answer


async def test_a_development_follows_a_ranking_here_too(coffee):
    await coffee.ask("Which drinks had the best turnover in the festival season?")
    answer = await coffee.ask("How did it develop month by month?")
    (query,) = coffee.called("query_metric")
    assert (query["grain"], query["time_from"], query["time_to"]) == ("month", "2023-08-01", "2023-09-30")
    assert "| August 2023 |" in answer


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("What tip did the baristas get?", "not who served them"),
        ("Which carriers had the worst average arrival delay?", "“carriers” and “arrival” and “delay”"),
        ("cups by quarter", "week, month, year"),
        ("cups in 2019", "The data cover 2023-03-01 to"),
    ],
)
async def test_what_this_shop_does_not_know_is_refused(coffee, question, says):
    answer = await coffee.ask(question)
    assert says in answer
    assert coffee.called("query_metric") == []


FOLDER = pathlib.Path(planner.__file__).parent


def strings_of(path):
    """The texts in a module's code, in lower case; comments and docstrings say what they like."""
    source = re.sub(r'"""(?:.|\n)*?"""(?!\n    \.split)|#[^\n]*', "", path.read_text(encoding="utf-8"))
    blocks = re.findall(r'"""((?:.|\n)*?)"""', source)
    return " ".join([*blocks, *re.findall(r'f?"((?:[^"\\]|\\.)*)"', source)]).lower()


def words_of(yaml_text):
    """The nouns of a semantic model: the words of its names, labels, synonyms, values and periods."""
    model = yaml.safe_load(yaml_text)
    texts = []
    for part in (*model["metrics"], *model["dimensions"], *model.get("periods", []), *model["entities"]):
        texts += [
            part["name"].replace("_", " "),
            part.get("label", ""),
            *part.get("synonyms", []),
            *part.get("nicknames", {}),
        ]
    return {word for text in texts for word in re.findall(r"[a-z]{4,}", text.lower())}


def test_no_word_of_any_semantic_model_is_in_the_planner_s_code():
    """Strings in the planner's modules, but for the question grammar, share no noun with either semantic model.

    Words that are both (average, share, month, number, time, …) belong to the grammar of asking: english/ holds them.
    """
    grammar = set(re.findall(r"[a-z']+", "\n".join(map(strings_of, (FOLDER / "english").glob("*.py")))))
    domain = {stem(word) for word in words_of(semantic_model_yaml()) | words_of(COFFEE_YAML)}
    domain -= {stem(word) for word in grammar}
    assert {stem(word) for word in ("carrier", "delay", "summer", "turnover", "espresso", "airport")} - domain == {
        stem("espresso")
    }
    leaks = {}
    for path in FOLDER.rglob("*.py"):
        if path.parent.name == "english":
            continue
        found = {word for word in re.findall(r"[a-z]{4,}", strings_of(path)) if stem(word) in domain}
        if found - {"unit", "line", "lines"}:  # of "United" and "air lines"; the code has its own
            leaks[path.name] = found
    assert leaks == {}


def test_the_question_grammar_holds_no_noun_of_either_model():
    nouns = set(
        "carrier airline airport flight delay arrival departure summer winter cancelled turnover cups drink district"
        " shop bill plane late punctual".split()
    )
    held = set(re.findall(r"[a-z']+", "\n".join(map(strings_of, (FOLDER / "english").glob("*.py")))))
    assert held & nouns == set()
    assert {"worst", "which", "monthly"} <= held
