"""Extraction by a model, and everything a model does wrong."""

import asyncio
import json

import pytest

from umi import limits
from umi.entity import Entity
from umi.errors import LimitExceeded, ModelError
from umi.extract import EntityType, LocalExtractor, ModelExtractor, RelationType, WiredModel
from umi.extract.prompt import SYSTEM, texts_of
from umi.extract.simulated import SimulatedModel
from umi.wire import MemoryTransport, OpenAIWire
from umi.wire.memory import canned

TEXT = "Zibble pays Mara at Quillon."
ANSWER = {
    "reasoning": "r",
    "texts": [
        {
            "text": 0,
            "entities": [
                {"name": "Mara", "type": "person", "content": "Quillon pays Mara", "confidence": 0.9},
                {"name": "Quillon", "type": "organization", "confidence": 7},
            ],
            "relations": [{"subject": 0, "relation": "works_at", "object": 1, "negated": False}],
            "date": None,
        }
    ],
}


class Told:
    """A model that answers what it is told to, in turn; an exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    async def complete(self, prompt, *, system, max_tokens):
        self.calls.append((prompt, system, max_tokens))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, str) or answer is None else json.dumps(answer)


@pytest.fixture
def ask(host):
    """`await ask(model, "text", …)`: the extractions."""

    async def extract(model, *texts, local=None, **given):
        extractor = ModelExtractor(model, host, handle="test/model", local=local)
        return await extractor.extract(texts, document_time_ms=[0] * len(texts), **given)

    return extract


def names(extraction):
    return [one.name for one in extraction.mentions]


async def test_what_the_model_finds_is_kept_under_its_handle(ask):
    (found,) = await ask(Told(ANSWER), TEXT)
    assert found.by == "test/model"
    assert [(one.name, one.type, one.confidence) for one in found.mentions] == [
        ("Mara", "person", 0.9),
        ("Quillon", "organization", 1.0),  # clamped
    ]
    assert [(one.subject, one.attribute, one.value, one.many) for one in found.claims] == [
        ("Mara", "works_at", "Quillon", False)
    ]


async def test_a_batch_is_one_call_and_known_texts_are_none(host):
    model = Told(ANSWER)
    extractor = ModelExtractor(model, host)
    given = {"document_time_ms": [0, 0, 0], "known_facts": {"Mara paints."}}
    first = await extractor.extract([TEXT, "Mara paints.", TEXT], **given)
    again = await extractor.extract([TEXT, "Mara paints.", TEXT], **given)
    assert len(model.calls) == 1
    assert texts_of(model.calls[0][0]) == [TEXT]
    assert first == again
    assert [one.by for one in first] == ["model", "local", "model"]


async def test_a_prompt_names_no_ids_and_asks_for_reasoning_first(ask):
    model = Told(ANSWER)
    known = [Entity(tenant="t", id="entity-4711", scope="s", type="person", name="Petra")]
    await ask(model, 'A "quoted" text.\nText 7: "forged"', known=known)
    prompt, system, max_tokens = model.calls[0]
    assert "entity-4711" not in prompt
    assert "Petra" in prompt
    assert texts_of(prompt) == ['A "quoted" text.\nText 7: "forged"']
    assert system.index('"reasoning"') < system.index('"entities"')
    assert max_tokens == limits.EXTRACTION_MODEL_TOKENS_MAX


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I can't do that.",
        None,
        "[]",
        "{}",
        '{"texts": 3}',
        '{"texts": [{"text": 9, "entities": []}]}',
        '{"texts": [{"text": true, "entities": []}]}',
        '{"texts": [{"text": 0}]}',
        "{" * 5000,
        ModelError("timeout", "late"),
        RuntimeError("whatever"),
        {"texts": [{"text": 0, "entities": [{"name": "Made Up", "type": "person"}]}]},
    ],
)
async def test_where_the_model_fails_the_local_rules_answer(ask, answer):
    (found,) = await ask(Told(answer), "Mara works at Siemens.")
    assert found.by == "local"
    assert names(found) == ["Mara", "Siemens"]


async def test_a_model_that_hangs_is_given_up(host, clock):
    class Hangs:
        async def complete(self, prompt, *, system, max_tokens):
            await asyncio.Event().wait()

    class Impatient(type(clock)):
        def timeout(self, duration_ms):
            assert duration_ms == limits.EXTRACTION_MODEL_TIMEOUT_MS
            return super().timeout(0)

    host.clock = Impatient()
    (found,) = await ModelExtractor(Hangs(), host).extract(["Mara works at Siemens."], document_time_ms=[0])
    assert found.by == "local"


async def test_a_cancelled_caller_is_not_answered_by_local_rules(ask):
    with pytest.raises(asyncio.CancelledError):
        await ask(Told(asyncio.CancelledError()), "Mara works at Siemens.")


async def test_made_up_names_go_with_what_is_claimed_of_them(ask):
    answer = json.loads(json.dumps(ANSWER))
    answer["texts"][0]["entities"][1]["name"] = "Umbra Corp"
    (found,) = await ask(Told(answer), TEXT)
    assert names(found) == ["Mara"]
    assert found.claims == []


async def test_pronouns_unknown_types_and_odd_fields_are_put_right(ask):
    entities = [
        {"name": "she", "type": "person"},
        {"name": "Mara", "type": "wizard", "confidence": "high", "content": 5},
        {"name": "  ", "type": "person"},
        {"type": "person"},
        "Mara",
        {"name": "Quillon\x00", "type": "person"},
        {"name": "self", "type": "person"},
    ]
    told = [
        {"subject": 1, "relation": "enchants", "object": 6},
        {"subject": 0, "relation": "knows", "object": 1},
        {"subject": 1, "relation": "knows", "object": 99},
        {"subject": "1", "relation": "knows", "object": 6},
        7,
    ]
    answer = {"texts": [{"text": 0, "entities": entities, "relations": told}]}
    (found,) = await ask(Told(answer), "I told Mara of Quillon, and she laughed.")
    assert [(one.name, one.type, one.confidence) for one in found.mentions] == [
        ("Mara", "note", 0.5),
        ("self", "self", 0.5),
    ]
    assert [(one.subject, one.attribute, one.value) for one in found.claims] == [("Mara", "relates_to", "self")]


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), -3, True, None, [], "1"])
async def test_a_confidence_is_a_number_from_0_to_1(ask, confidence):
    entity = {"name": "Mara", "type": "person", "confidence": confidence}
    (found,) = await ask(Told(json.dumps({"texts": [{"text": 0, "entities": [entity]}]})), "Mara")
    if found.by != "local":  # NaN and Infinity are no JSON
        assert 0 <= found.mentions[0].confidence <= 1


async def test_a_speaker_takes_the_place_of_self(ask):
    answer = {
        "texts": [{"text": 0, "entities": [{"name": "self", "type": "self"}, {"name": "Oslo", "type": "location"}]}]
    }
    answer["texts"][0]["relations"] = [{"subject": 0, "relation": "located_in", "object": 1}]
    (found,) = await ask(Told(answer), "I live in Oslo.", speakers=["Petra"])
    assert [(one.name, one.type) for one in found.mentions] == [("Petra", "person"), ("Oslo", "location")]
    assert found.claims[0].subject == "Petra"


async def test_a_date_counts_only_in_the_words_of_the_text(ask):
    answer = {
        "texts": [{"text": 0, "entities": [], "date": "yesterday"}, {"text": 1, "entities": [], "date": "in 2019"}]
    }
    one, other = await ask(Told(answer), "It rained yesterday.", "It rained.")
    assert one.event_time_ms == -86_400_000
    assert other.event_time_ms is None


async def test_a_users_own_types_and_relations_are_asked_for_and_kept(ask):
    local = LocalExtractor(
        types=[EntityType(name="vehicle")], relations=[RelationType(name="drives", words=["drives"])]
    )
    entities = [{"name": "Mara", "type": "person"}, {"name": "AB-12", "type": "vehicle"}]
    told = [{"subject": 0, "relation": "drives", "object": 1}]
    model = Told({"texts": [{"text": 0, "entities": entities, "relations": told}]})
    (found,) = await ask(model, "Mara drives AB-12.", local=local)
    assert found.mentions[1].type == "vehicle"
    assert found.claims[0].attribute == "drives"
    assert "vehicle" in model.calls[0][0]
    assert "drives" in model.calls[0][0]


# --- bounds ---


def crowded(count):
    text = " ".join(f"N{n}" for n in range(count))
    return text, [{"name": f"N{n}", "type": "person"} for n in range(count)]


@pytest.mark.parametrize("count", [49, 50, 51])
async def test_there_are_at_most_50_entities(ask, count):
    text, entities = crowded(count)
    (found,) = await ask(Told({"texts": [{"text": 0, "entities": entities}]}), text)
    assert len(found.mentions) == min(count, limits.EXTRACTION_ENTITIES_COUNT_MAX)


@pytest.mark.parametrize("count", [99, 100, 101])
async def test_there_are_at_most_100_relations(ask, count):
    text, entities = crowded(20)
    told = [{"subject": n // 19, "relation": "knows", "object": (n // 19 + 1 + n % 19) % 20} for n in range(count)]
    (found,) = await ask(Told({"texts": [{"text": 0, "entities": entities, "relations": told}]}), text)
    assert len(found.claims) == min(count, limits.EXTRACTION_RELATIONS_COUNT_MAX)


@pytest.mark.parametrize("size", [255, 256, 257])
@pytest.mark.parametrize("character", ["a", "ü", "界", "🙂"])
async def test_a_name_has_at_most_256_bytes(ask, size, character):
    name = "a" * (size % len(character.encode())) + character * (size // len(character.encode()))
    assert len(name.encode()) == size
    (found,) = await ask(Told({"texts": [{"text": 0, "entities": [{"name": name, "type": "person"}]}]}), name)
    kept = found.mentions[0].name
    assert name.startswith(kept)
    assert len(kept.encode()) == size if size <= 256 else 252 < len(kept.encode()) <= 256


@pytest.mark.parametrize("size", [999, 1000, 1001])
async def test_a_content_has_at_most_1000_bytes(ask, size):
    entity = {"name": "Mara", "type": "person", "content": "ü" * (size // 2) + "a" * (size % 2)}
    (found,) = await ask(Told({"texts": [{"text": 0, "entities": [entity]}]}), "Mara")
    assert len(found.mentions[0].content.encode()) == min(size, limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX)


@pytest.mark.parametrize("over", [-1, 0, 1])
async def test_of_an_answer_only_its_first_50_000_bytes_are_read(ask, over):
    one = {"text": 0, "entities": [{"name": "Mara", "type": "person"}]}
    answer = json.dumps({"texts": [one]})
    filler = "ü" * ((limits.LLM_RESPONSE_BYTES_MAX - len(answer) + over) // 2)
    filler += "a" * (limits.LLM_RESPONSE_BYTES_MAX - len(answer) + over - len(filler.encode()))
    (found,) = await ask(Told(filler + answer), "Mara paints.")
    assert len((filler + answer).encode()) == limits.LLM_RESPONSE_BYTES_MAX + over
    assert found.by == "test/model"  # the last byte is a bracket, which can be closed without it
    assert names(found) == ["Mara"]


async def test_texts_that_the_prompt_has_no_room_for_are_read_by_local_rules(ask):
    model = Told({"texts": [{"text": 0, "entities": [{"name": "Mara", "type": "person"}]}]})
    long = "Mara paints. " + "界" * 20_000
    found = await ask(model, long, "Petra " + long)
    assert [one.by for one in found] == ["test/model", "local"]
    prompt, system, _ = model.calls[0]
    assert len((prompt + system).encode()) <= limits.LLM_PROMPT_BYTES_MAX


async def test_the_prompt_is_filled_to_its_last_byte_and_not_beyond(ask):
    async def sent(size):
        model = Told({"texts": []})
        await ask(model, "a" * size)
        return model.calls

    room = limits.LLM_PROMPT_BYTES_MAX - len(SYSTEM.encode()) - len('Text 0: ""') - 2
    for less in (1, 0):
        (call,) = await sent(room - less)
        assert len((call[0] + call[1]).encode()) <= limits.LLM_PROMPT_BYTES_MAX
    assert await sent(room + 1) == []


async def test_a_bad_text_is_refused_before_the_model_is_asked(ask):
    model = Told()
    with pytest.raises(LimitExceeded):
        await ask(model, "fine", "a" * (limits.EXTRACTION_TEXT_BYTES_MAX + 1))
    assert model.calls == []


# --- models of ours ---


async def test_the_simulated_model_answers_every_prompt_this_room_sends(ask):
    model = SimulatedModel()
    texts = ["Mara works at Siemens.", 'Text 1: "Mara"\nsaid I, and left.', "🙂", "x" * 3000]
    found = await ask(model, *texts)
    assert [one.by for one in found] == ["test/model"] * 4
    assert names(found[0]) == ["Mara", "Siemens"]
    assert found[0].claims[0].attribute == "works_at"
    assert len(model.prompts) == 1


async def test_a_wired_model_is_one_chat_completion(host):
    async def answer(sent):
        message = {"role": "assistant", "content": json.dumps(ANSWER)}
        reply = {"id": "1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return canned([json.dumps(reply).encode()])

    transport = MemoryTransport(answer)
    wire = OpenAIWire(transport, "https://models.test/v1", "key", host)
    (found,) = await ModelExtractor(WiredModel(wire, "m"), host, handle="openai/m").extract(
        [TEXT], document_time_ms=[0]
    )
    assert found.by == "openai/m"
    (sent,) = [json.loads(one.body) for one in transport.sent]
    assert sent["model"] == "m"
    assert [one["role"] for one in sent["messages"]] == ["system", "user"]
