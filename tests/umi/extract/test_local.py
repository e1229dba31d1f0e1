"""What is found in a text without a model."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi import limits
from umi.entity import ENTITY_TYPES, RELATIONS, Entity
from umi.errors import InvalidInput, LimitExceeded
from umi.extract import LocalExtractor, note_of

EXAMPLE = (
    "I'm working with Bob from Acme on the Umi project. We're using Rust and Tiger"
    "Style principles."
    " My first task is to implement Kelpie integration."
)


def entity(name, type_="person", aliases=()):
    return Entity(tenant="t", id=name, scope="s", type=type_, name=name, aliases=list(aliases))


def test_the_example_of_the_readme(things, claims):
    assert things(EXAMPLE) == {
        "self self",
        "person Bob",
        "organization Acme",
        "project Umi",
        "topic Rust",
        "topic Tiger" + "Style",
        "task implement Kelpie integration",
    }
    assert {"Bob works_at Acme", "self relates_to Umi", "self relates_to Rust"} <= claims(EXAMPLE)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Mara works at Quillon Systems.", "Mara works_at Quillon Systems"),
        ("Quillon Systems hired Mara as a designer.", "Mara works_at Quillon Systems"),
        ("Mara was hired by Quillon Systems.", "Mara works_at Quillon Systems"),
        ("Mara no longer works at Quillon Systems.", "not Mara works_at Quillon Systems"),
        ("Mara quit Quillon Systems last year.", "not Mara works_at Quillon Systems"),
        ("I used to work for Quillon Systems.", "not self works_at Quillon Systems"),
        ("My brother Idris lives in Lisbon.", "Idris located_in Lisbon"),
        ("Mara moved from Lisbon to Ghent.", "not Mara located_in Lisbon"),
        ("Mara moved from Lisbon to Ghent.", "Mara located_in Ghent"),
        ("We live in Ghent, Belgium.", "Ghent located_in Belgium"),
        ("My boss Idris is away.", "Idris manages self"),
        ("Idris reports to Mara.", "Mara manages Idris"),
        ("The Osprey project is led by Mara.", "Mara manages Osprey"),
        ("Mara's brother Idris plays chess.", "Idris knows Mara"),
        ("Mara and Idris got married.", "Mara knows Idris"),
        ("Quillon Systems was acquired by Siemens.", "Quillon Systems part_of Siemens"),
        ("Quillon Systems' rival is gone. Siemens's Osprey project is late.", "Osprey part_of Siemens"),
        ("Mara is a member of the Rowing Club.", "Mara part_of Rowing Club"),
        ("Mara really likes strong coffee.", "Mara prefers strong coffee"),
        ("I can't stand horror films.", "not self prefers horror films"),
        ("The Osprey project switched from MySQL to PostgreSQL.", "not Osprey relates_to MySQL"),
        ("The Osprey project switched from MySQL to PostgreSQL.", "Osprey relates_to PostgreSQL"),
        ("Idris has to renew the licence by Friday.", "Idris relates_to renew the licence"),
        ("Mara asked me to water the plants.", "self relates_to water the plants"),
        ("I like Rust, and so does Mara.", "Mara prefers Rust"),
    ],
)
def test_a_relation_however_it_is_worded(claims, text, wanted):
    assert wanted in claims(text)


@pytest.mark.parametrize(
    "text",
    [
        "Does Mara still work at Quillon Systems?",
        "If Mara moves to Ghent, we will celebrate.",
        "Maybe Mara will join Siemens.",
        "I'd like to visit Lisbon.",
        "Idris might be at Siemens.",
    ],
)
def test_what_is_asked_or_only_supposed_claims_nothing(claims, text):
    assert claims(text) == set()


def test_names_in_a_question_still_count(things):
    assert things("Does Mara still work at Siemens?") == {"person Mara", "organization Siemens"}


@pytest.mark.parametrize(
    "text",
    [
        "On Monday he told them that it rains.",
        "Tomorrow Everything Starts Again At Nine.",
        "She said that they would come in March.",
        "PLEASE CALL BACK LATER",
        "Nothing works today.",
        "",
        " \n\t ",
        "🙂🙂🙂",
        "if (a < b) { return c; }",
    ],
)
def test_nothing_is_found_where_nothing_is(read, text):
    found = read(text)
    assert (found.mentions, found.claims) == ([], [])


def test_pronouns_stand_for_those_they_mean(claims):
    found = claims("Mara met Idris. She lives in Oslo. He works at Siemens.")
    assert {"Mara located_in Oslo", "Idris works_at Siemens"} <= found


def test_a_pronoun_means_the_one_person_the_memory_knows(claims):
    assert claims("She works at Siemens.", known=[entity("Mara Lindqvist")]) == {"Mara Lindqvist works_at Siemens"}
    assert claims("She works at Siemens.", known=[entity("Mara"), entity("Petra")]) == set()


def test_a_first_name_is_the_whole_name_that_the_memory_knows(things):
    assert things("Bob called.", known=[entity("Bob Hastings")]) == {"person Bob Hastings"}


def test_a_name_only_the_memory_knows_is_recognised(things):
    assert things("We talked about Zibble.") == set()
    assert things("We talked about Zibble.", known=[entity("Zibble", "project")]) >= {"project Zibble"}


def test_the_longest_form_of_a_name_wins(things):
    assert things("Bob Hastings called. Bob was late, and Hastings knew it.") == {"person Bob Hastings"}


def test_a_speaker_is_whoever_says_i(read):
    found = read("I work at Siemens.", speaker="Mara")
    assert [(one.subject, one.value) for one in found.claims] == [("Mara", "Siemens")]
    assert {(one.type, one.name) for one in found.mentions} == {("person", "Mara"), ("organization", "Siemens")}


def test_self_is_found_only_where_something_is_claimed_of_it(things):
    assert "self self" not in things("I think that Siemens is large.")


def test_a_mention_holds_the_clause_that_speaks_of_it(read):
    found = read("The weather was fine, and Mara works at Siemens because Idris lives in Oslo.")
    contents = {one.name: one.content for one in found.mentions}
    assert contents["Mara"] == "Mara works at Siemens"
    assert contents["Oslo"] == "Idris lives in Oslo"


def test_a_mention_says_where_it_stands(read):
    text = "Yesterday José met Zoë."
    for one in read(text).mentions:
        assert text[one.start : one.end] == one.name


def test_what_has_one_value_at_a_time_says_so(read):
    many = {one.attribute: one.many for one in read("Mara works at Siemens. Mara knows Idris. Mara met Idris.").claims}
    assert many == {"works_at": False, "knows": True}


def test_the_date_of_what_is_told_is_made_absolute(read):
    assert read("I met Mara yesterday.").event_time_ms == 1_772_496_000_000  # 3 March 2026, 00:00 UTC
    assert read("Did I meet Mara yesterday?").event_time_ms is None


def test_the_same_text_gives_the_same_answer():
    one, other = LocalExtractor(), LocalExtractor()
    text = EXAMPLE + " Ann, Bea, Carla and Dora are friends of Eve in Rome, Italy."
    assert one.extract(text, document_time_ms=0) == other.extract(text, document_time_ms=0)


# --- bounds ---


@pytest.mark.parametrize("character", ["a", "ü", "界", "🙂"])
def test_the_text_may_have_its_bytes_and_not_one_more(read, character):
    size = len(character.encode())
    fits = character * (limits.EXTRACTION_TEXT_BYTES_MAX // size)
    fits += "a" * (limits.EXTRACTION_TEXT_BYTES_MAX - len(fits.encode()))
    assert read(fits[1:]).by == "local"
    assert read(fits).by == "local"
    with pytest.raises(LimitExceeded, match=r"100,001 bytes; at most 100,000"):
        read(fits + "a")


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d"])
def test_what_is_no_text_is_refused(read, text):
    with pytest.raises(InvalidInput):
        read(text)


@pytest.mark.parametrize("size", [255, 256, 257])
def test_a_name_is_cut_at_its_bytes_and_never_inside_a_character(read, size):
    name = "M" + "ü" * 200
    bytes_ = name.encode()[:size].decode(errors="ignore")
    found = read(f"Mr. {bytes_} works at Siemens.")
    person = next(one for one in found.mentions if one.type == "person")
    assert bytes_.startswith(person.name)
    assert len(person.name.encode()) == min(len(bytes_.encode()), limits.EXTRACTION_ENTITY_NAME_BYTES_MAX - 1)


@pytest.mark.parametrize(("length", "kept"), [(999, 999), (1000, 1000), (1001, 1000)])
def test_a_content_is_cut_at_its_bytes(read, length, kept):
    text = "Mara paints " + "x" * (length - 12)
    assert len(read(text).mentions[0].content.encode()) == kept


def test_there_are_at_most_so_many_entities_and_relations(read):
    cities = ["Oslo", "Rome", "Paris", "Lyon", "Ghent", "Graz", "Linz", "Bonn", "Turin", "Milan"]
    people = [f"{first} {last}" for first in ("Mara", "Anna", "Emma", "Lena", "Nora") for last in ("Ab", "Cd", "Ef")]
    text = " ".join(f"{person} lives in {city}." for person in people for city in cities)
    found = read(text)
    assert len(found.mentions) <= limits.EXTRACTION_ENTITIES_COUNT_MAX
    assert len(found.claims) == limits.EXTRACTION_RELATIONS_COUNT_MAX
    crowd = " ".join(f"Mr. Person{chr(65 + n // 26)}{chr(97 + n % 26)} called." for n in range(60))
    assert len(read(crowd).mentions) == limits.EXTRACTION_ENTITIES_COUNT_MAX


WORDS = st.sampled_from(
    [
        *(
            "Mara",
            "Siemens",
            "I",
            "she",
            "works",
            "at",
            "my",
            "boss",
            "is",
            "not",
            "'s",
            ",",
            "and",
            "Oslo",
            "must",
            "to",
        ),
        *(
            "call",
            "likes",
            "tea",
            "over",
            "the",
            "Umi",
            "project",
            "in",
            "Rust",
            "?",
            ".",
            "if",
            "who",
            "favourite",
            "🙂",
        ),
        *(
            "remind",
            "me",
            "note",
            ":",
            "so",
            "do",
            "can't",
            "stand",
            "her",
            "wedding",
            "with",
            "from",
            "Dr.",
            "\n",
            "born",
        ),
        *("teaches", "plays", "todo", "up", "action", "item", "for", "asked", "used", "cant", "nothing", "Paris", "&"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=80).filter(lambda text: "\x00" not in text))
def test_any_text_gives_well_formed_answers(text):
    if not text.isascii():
        text = text.encode(errors="ignore").decode()
    found = LocalExtractor().extract(text, document_time_ms=1_772_600_000_000)
    names = {one.name for one in found.mentions}
    for one in found.mentions:
        assert one.type in ENTITY_TYPES
        assert one.name.strip()
        assert 0 <= one.confidence <= 1
    for claim in found.claims:
        assert claim.attribute in RELATIONS
        assert {claim.subject, claim.value} <= names
        assert claim.subject != claim.value


def calls_made(work):
    """How many functions `work` calls: a measure of its work that no machine's load changes."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "unit",
    [
        "the meeting ",
        "Mara met Idris. ",
        "I like tea and so does Mara ",
        "Mara, ",
        "my boss ",
        "Dr. ",
        "University of ",
        "on 3 May ",
        "from 2019 to ",
        "note to self ",
        "asked Mara to ",
        "in Oslo, ",
        "remind me ",
        "'s ",
        "\n",
    ],
)
def test_work_grows_with_the_text_and_no_faster(read, unit):
    read(unit * 3)  # the lists of names are read at the first extraction
    small = calls_made(lambda: read(unit * 300))
    large = calls_made(lambda: read(unit * 1200))
    assert large < 5 * small


# --- the note of last resort ---


def test_a_note_is_named_by_its_first_line_cut_on_a_word():
    note = note_of("  The spare key lies under the blue flower pot beside the door.\nDon't tell.")
    assert note.name == "The spare key lies under the blue flower pot"
    assert note.content.startswith("The spare key")
    assert note.type == "note"


@pytest.mark.parametrize("character", ["a", "ü", "界", "🙂"])
def test_a_note_without_a_space_is_cut_between_characters(character):
    note = note_of(character * 300)
    assert note.name == character * 50
    assert len(note.content.encode()) <= limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX
