"""The self-feeding guard: a memory that hears itself learns nothing, and a person who says something new is heard."""

import random

import pytest

from umi import limits
from umi.archival import MIGRATIONS, Why, plan_add
from umi.entity import Fact
from umi.hygiene.echoes import RECALL_TAG, Echoes, stored
from umi.storage import SqliteDatabase, View

FACTS = [
    "Ada likes tea.",
    "I have two cats, Miso and Tofu",
    "Ada's brother moved to Lisbon in March 2024. He works for a bakery there.",
    "My birthday is on the 3rd of May.",
    "Dr. Grün lives at 12 St. John's Road and has an appointment on Tuesday at 10:30.",
    "I don't eat mushrooms!",
    "The Wi-Fi at the cabin is slow; bring a book.",
    "Bob said: “the bridge is closed until June”",
    "Der Hund heißt Bäri.",
    "Capt. Grau sails on Sundays.",
    "我喜欢茶",
    "We paid $1,299.50 for the bike",
]


@pytest.fixture
def echoes():
    echoes = Echoes()
    echoes.note("t", "ada", FACTS)
    return echoes


def strip(echoes, text):
    return echoes.strip("t", "ada", text)


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "  {}\n",
        "As I remember: {}",
        "As far as I remember, {}",
        "You told me that {}",
        "You mentioned earlier that {}",
        "Yes, you said {}",
        "I remember that {}",
        "According to my notes, {}",
        "Based on our earlier conversation: {}",
        "Here's what I remember: {}",
        "Here is what I know about you:\n- {}",
        "- {}",
        "* {}",
        "1. {}",
        "• “{}”",
        '"{}"',
        "> {}",
        "Memory: {}",
        "[2024-05-01] {}",
        "2024-05-01: {}",
        "Ada: {}",
        "{}. Is there anything else you would like to know?",
        "Sure! {}\n\nLet me know if you need anything else.",
        "{}, as you told me",
        "Okay, so you told me that {}",
    ],
)
def test_a_fact_that_comes_back_is_an_echo_however_it_is_wrapped(echoes, fact, wrapped):
    assert strip(echoes, wrapped.replace("{}", fact)) == ""
    assert echoes.is_echo("t", "ada", wrapped.replace("{}", fact))


@pytest.mark.parametrize(
    "text",
    [
        "You have two cats, Miso and Tofu.",
        "You told me that your birthday is on the 3rd of May.",
        "You do not eat mushrooms.",
        "You don’t eat mushrooms",
        "Ada likes tea and you have two cats, Miso and Tofu.",
        "You told me that Ada likes tea, and that your birthday is on the 3rd of May.",
        "He works for a bakery there.",
        "ADA LIKES TEA",
        "Ada  likes\ntea",
        "- Ada likes tea.\n- You don't eat mushrooms.\n\n- We paid $1,299.50 for the bike",
    ],
)
def test_it_is_an_echo_from_the_other_side_in_part_and_joined(echoes, text):
    assert strip(echoes, text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Ada likes coffee.",
        "Ada doesn't like tea.",
        "Ada no longer likes tea.",
        "Ada likes tea now",
        "Ada likes green tea.",
        "Eva likes tea.",
        "Likes tea Ada.",
        "I have three cats, Miso and Tofu",
        "I have two cats, Tofu",
        "I eat mushrooms!",
        "My birthday is on the 4th of May.",
        "Her birthday is on the 3rd of May.",
        "Dr. Jones lives at 12 St. John's Road and has an appointment on Tuesday at 10:30.",
        "We paid $1,299.90 for the bike",
        "We paid 1,299.50 for the bike",
        "You told me that Bob likes tea.",
        "Ada likes tea and Bob likes coffee",
        "Capt. Blau dives on Mondays.",
        "Tuesday",
        "🎉",
        "",
        "  spaces stay \n\n\n as they are  ",
    ],
)
def test_what_says_anything_else_comes_back_untouched(echoes, text):
    assert strip(echoes, text) == text
    assert not echoes.is_echo("t", "ada", text)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("You told me that Ada likes tea. She moved to Rome.", "She moved to Rome."),
        ("Here's what I remember:\n- Ada likes tea.\n- Bob likes coffee.\n", "- Bob likes coffee."),
        ("Ada likes tea.\n\nThe meeting with Eva is at noon.\nSure!", "The meeting with Eva is at noon."),
    ],
)
def test_what_is_new_among_echoes_stays(echoes, text, new):
    assert strip(echoes, text) == new


@pytest.mark.parametrize(
    "block",
    [
        f"<{RECALL_TAG}>\n- whatever (fact-1)\n</{RECALL_TAG}>",
        f'<{RECALL_TAG} count="2">never noted, but ours',
        '<core_memory><block type="human" importance="0.50">Ada</block></core_memory>',
        "<memory_blocks>\n<human>Ada</human>\n</memory_blocks>",
        "- [fact-123e4567-e89b-42d3-8456-426614174000] something recalled",
        '- [passage-123e4567-e89b-42d3-8456-426614174000] 2024-05-01: "Ada: something recalled"',
    ],
)
@pytest.mark.parametrize("guard", [Echoes(), None], ids=["nothing heard", "facts heard"])
def test_our_own_rendering_is_no_news(echoes, block, guard):
    guard = guard or echoes
    assert strip(guard, block) == ""
    assert strip(guard, f"Bob likes coffee.\n{block}") == "Bob likes coffee."


def test_nothing_heard_means_nothing_taken():
    assert strip(Echoes(), "You told me that Ada likes tea.") == "You told me that Ada likes tea."


def test_scopes_and_tenants_hear_nothing_of_each_other(echoes):
    for tenant, scope in (("t", "bob"), ("other", "ada")):
        assert echoes.strip(tenant, scope, "Ada likes tea.") == "Ada likes tea."


def test_more_than_may_wait_is_heard_all_the_same():
    echoes = Echoes()
    texts = [f"number {n} is red" for n in range(3 * limits.ECHOES_WAITING_MAX)]
    for text in texts:
        echoes.note("t", "ada", [text, text])
    assert all(echoes.is_echo("t", "ada", text) for text in texts)


def test_what_no_longer_holds_may_be_said_again(echoes):
    echoes.release("t", "ada", ["Ada likes tea."])
    echoes.release("t", "bob", ["I don't eat mushrooms!"])
    assert strip(echoes, "You told me that Ada likes tea.") == "You told me that Ada likes tea."
    assert strip(echoes, "You don't eat mushrooms.") == ""


def test_a_scope_that_is_forgotten_was_never_heard(echoes):
    echoes.forget("t", "ada")
    assert strip(echoes, "Ada likes tea.") == "Ada likes tea."


def test_what_is_kept_is_bounded_and_the_oldest_goes_first():
    echoes = Echoes(capacity=3, scopes_max=2)
    for number in range(1, 5):
        echoes.note("t", "ada", [f"number {number}"])
    assert [strip(echoes, f"number {n}") for n in range(1, 5)] == ["number 1", "", "", ""]
    echoes.note("t", "ada", ["number 2"])
    echoes.note("t", "ada", ["number 5"])
    assert [strip(echoes, f"number {n}") for n in (2, 3, 4, 5)] == ["", "number 3", "", ""]
    echoes.note("t", "bob", ["x y z"])
    echoes.note("t", "eva", ["x y z"])
    assert strip(echoes, "number 5") == "number 5"


@pytest.mark.parametrize(
    "piece", ["a ", "a, ", "a. ", "and that ", "- ", "Yes, ", '"', "<core_memory>", "[x] ", "i know "]
)
def test_a_hostile_text_is_read_to_its_end(echoes, piece):
    text = piece * (limits.MEMORY_TEXT_BYTES_MAX // len(piece))
    assert len(strip(echoes, text)) <= len(text)


WRAPS = [
    "{}",
    "As I remember: {}",
    "You told me that {}",
    "“{}”",
    "- {}",
    "Yes, I remember that {}",
    "According to my memory, {}. Is there anything else?",
    f"<{RECALL_TAG}>{{}}</{RECALL_TAG}>",
]


def ended(sentence):
    return sentence if sentence[-1] in ".!?>" else f"{sentence}."


def test_a_thousand_turns_that_feed_on_themselves_add_nothing(echoes):
    """Recall some facts, let the assistant say them in its own way, and remember what it said."""
    chance = random.Random(7)
    memory = list(FACTS)
    for _ in range(1000):
        recalled = chance.sample(memory, chance.randint(1, 4))
        echoes.note("t", "ada", recalled)
        wrap = chance.choice(WRAPS)
        lines = [wrap.replace("{}", one) for one in recalled]
        said = chance.choice(
            ["\n".join(lines), " ".join(map(ended, lines)), "Here is what I know:\n" + "\n".join(lines)]
        )
        if (new := strip(echoes, said)) and new not in memory:
            memory.append(new)
    assert memory == FACTS


async def test_after_a_restart_what_is_stored_is_known_word_for_word(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "facts.db"), MIGRATIONS, host=host)
    facts = [Fact(tenant="t", id=f"fact-{n}", scope="ada", text=text) for n, text in enumerate(FACTS)]
    facts.append(Fact(tenant="t", id="ended", scope="ada", text="Ada likes milk.", valid_to_ms=1))
    await database.commit(plan_add(facts, Why()))
    view, fresh = View(database), Echoes()
    for text in (
        "You told me that Ada likes tea.",
        "- “Der Hund heißt Bäri”",
        "Ada likes tea, and I don't eat mushrooms",
    ):
        assert fresh.strip("t", "ada", text, await stored(view, "t", "ada", text)) == ""
        assert await stored(view, "t", "bob", text) == frozenset()
    assert await stored(view, "t", "ada", "Ada likes milk.") == frozenset()  # it may be said again
    text = "Ada likes coffee. Ada likes tea."
    assert fresh.strip("t", "ada", text, await stored(view, "t", "ada", text)) == "Ada likes coffee."
    await database.close()
