"""Types and relations of the user's own."""

import pytest

from umi.errors import InvalidInput
from umi.extract import EntityType, LocalExtractor, RelationType

VEHICLE = EntityType(
    name="vehicle",
    words=["red Beetle"],
    pattern=r"\b[A-Z]{2}-\d{3}\b",
    attributes={"colour": r"\b(red|blue)\b", "doors": r"(\d)-door"},
)
DRIVES = RelationType(name="drives", words=["drives", "is driving", "drive"], subjects=["person"], values=["vehicle"])


@pytest.fixture
def extractor():
    return LocalExtractor(types=[VEHICLE], relations=[DRIVES])


def test_a_pattern_finds_things_with_their_attributes(read, extractor):
    found = read("Mara drives the blue 5-door AB-123 to Oslo.", extractor=extractor)
    (vehicle,) = [one for one in found.mentions if one.type == "vehicle"]
    assert vehicle.name == "AB-123"
    assert vehicle.attributes == {"colour": "blue", "doors": "5"}
    claims = {(one.subject, one.attribute, one.value, one.many) for one in found.claims}
    assert {("Mara", "drives", "AB-123", True), ("AB-123", "colour", "blue", False)} <= claims


def test_words_are_found_whatever_their_capitals(things, extractor):
    assert "vehicle red beetle" in things("We bought a red beetle.", extractor=extractor)


def test_a_relation_of_the_speaker_is_denied_like_any_other(claims, extractor):
    assert "not self drives AB-123" in claims("I don't drive AB-123.", extractor=extractor)


def test_a_relation_holds_only_between_its_types(claims, extractor):
    assert not [one for one in claims("Siemens drives AB-123.", extractor=extractor) if " drives " in one]


def test_nothing_is_claimed_in_a_question(claims, extractor):
    assert claims("Who drives AB-123? Is Mara driving AB-123?", extractor=extractor) == set()


def test_a_relation_with_one_value_says_so(read):
    leads = RelationType(name="sponsors", words=["sponsors"], many=False)
    (claim,) = read("Siemens sponsors Mara.", extractor=LocalExtractor(relations=[leads])).claims
    assert (claim.attribute, claim.many) == ("sponsors", False)


def test_they_may_be_plain_dicts(things):
    extractor = LocalExtractor(types=[{"name": "ticket", "pattern": r"[A-Z]+-\d+"}])
    assert "ticket KLP-17" in things("Mara closed KLP-17.", extractor=extractor)


@pytest.mark.parametrize(
    "given",
    [
        {"types": [{"pattern": "x"}]},
        {"types": [{"name": 5}]},
        {"types": [EntityType(name="person")]},
        {"types": [EntityType(name=" ")]},
        {"types": [EntityType(name="odd", pattern="(")]},
        {"types": [EntityType(name="odd", attributes={"a": "["})]},
        {"relations": [RelationType(name="knows", words=["knows"])]},
        {"relations": [RelationType(name="drives", words=[])]},
        {"relations": [{"name": "drives", "words": "drives"}]},
    ],
)
def test_what_describes_no_type_is_refused(given):
    with pytest.raises(InvalidInput):
        LocalExtractor(**given)
