"""Everything the original Umi offers has its equivalent here: each of its methods, options, types and limits by name,
beside what does the same now."""

import importlib
import inspect

import msgspec
import pytest

from umi import entity, limits

# The original's name -> where the same is now: "module:attribute.path", with a parameter after a "(".
METHODS = {
    "Memory::new": "umi.memory:Memory(store",
    "Memory::with_config": "umi.memory:Memory(embedder",
    "Memory::sim": "umi.memory:Memory(seed",
    "Memory::sim_with_config": "umi.memory:Memory(embedder",
    "MemoryBuilder::with_llm": "umi.memory:Memory(model",
    "MemoryBuilder::with_embedder": "umi.memory:Memory(embedder",
    "MemoryBuilder::with_storage": "umi.memory:Memory(store",
    "remember": "umi.memory:Memory.remember(said",
    "RememberOptions::extract_entities": "umi.memory:Memory.remember(extract",
    "RememberOptions::importance": "umi.memory:Memory.remember(importance",
    "RememberResult::entities": "umi.memory:Remembered.mentions",
    "RememberResult::evolutions": "umi.memory:Remembered.evolutions",
    "recall": "umi.memory:Memory.recall(query",
    "RecallOptions::limit": "umi.memory:Memory.recall(limit",
    "RecallOptions::deep_search": "umi.memory:Memory.recall(deep",
    "RecallOptions::time_range": "umi.memory:Memory.recall(time_range",
    "forget": "umi.memory:Memory.forget(fact_id",
    "get": "umi.memory:Memory.get(fact_id",
    "count": "umi.memory:Memory.count",
    "python: document_time": "umi.memory:Memory.remember(document_time",
    "python: event_time": "umi.memory:Memory.remember(event_time",
    "python: clear": "umi.memory:Memory.clear",
    "python: remember_sync": "umi.sync:Memory.remember(said",
    "python: recall_sync": "umi.sync:Memory.recall(query",
    "python: forget_sync": "umi.sync:Memory.forget(fact_id",
    "python: get_sync": "umi.sync:Memory.get(fact_id",
    "python: count_sync": "umi.sync:Memory.count",
    "CoreMemory::set_block": "umi.core:Core.set_block",
    "CoreMemory::set_block_with_label": "umi.core:Core.set_block(label",
    "CoreMemory::get_block": "umi.core:Core.get_block",
    "CoreMemory::has_block": "umi.core:Core.has_block",
    "CoreMemory::remove_block": "umi.core:Core.remove_block",
    "CoreMemory::set_block_importance": "umi.core:Core.set_importance",
    "CoreMemory::clear": "umi.core:Core.clear",
    "CoreMemory::block_count": "umi.core:Core.block_count",
    "CoreMemory::used_bytes": "umi.core:Core.used_bytes",
    "CoreMemory::available_bytes": "umi.core:Core.available_bytes",
    "CoreMemory::max_bytes": "umi.core:Core(bytes_max",
    "CoreMemory::utilization": "umi.core:Core.utilization",
    "CoreMemory::is_empty": "umi.core:Core.is_empty",
    "CoreMemory::blocks_ordered": "umi.core:Core.blocks",
    "CoreMemory::render": "umi.core:Core.render",
    "CoreMemory::render_markdown": "umi.core:Core.render",
    "WorkingMemory::set": "umi.working:Working.set(ttl_ms",
    "WorkingMemory::get": "umi.working:Working.get",
    "WorkingMemory::exists": "umi.working:Working.exists",
    "WorkingMemory::delete": "umi.working:Working.delete",
    "WorkingMemory::incr": "umi.working:Working.incr(delta",
    "WorkingMemory::append": "umi.working:Working.append",
    "WorkingMemory::touch": "umi.working:Working.touch",
    "WorkingMemory::cleanup_expired": "umi.working:Working.cleanup_expired",
    "WorkingMemory::used_bytes": "umi.working:Working.used_bytes",
    "WorkingMemory::available_bytes": "umi.working:Working.available_bytes",
    "WorkingMemory::entry_count": "umi.working:Working.entry_count",
    "WorkingMemory::is_empty": "umi.working:Working.is_empty",
    "WorkingMemory::clear": "umi.working:Working.clear",
    "CoreMemory::set_clock_ms": "umi.dst:ManualClock.advance",
    "ArchivalMemory::remember": "umi.memory:Memory.add_facts",
    "ArchivalMemory::recall": "umi.memory:Memory.recall",
    "ArchivalMemory::list": "umi.memory:Memory.list(page",
    "ArchivalMemory::count(type)": "umi.memory:Memory.entities(types",
    "ArchivalMemory::update": "umi.memory:Memory.update(text",
    "ArchivalMemory::remember_entity": "umi.memory:Draft.entities",
    "UnifiedMemory::promote_to_core": "umi.memory:Memory.promote",
    "UnifiedMemory::evict_from_core": "umi.promote:evict",
    "UnifiedMemory::get_core_snapshot": "umi.core:Core.render",
    "UnifiedMemory::with_policies": "umi.promote:plan_promote",
    "UnifiedMemory::is_in_core": "umi.promote:in_core",
    "UnifiedMemory::core": "umi.memory:Memory.core",
    "UnifiedMemory::working": "umi.memory:Memory.working",
    "EntityToBlockMapping::map": "umi.promote:EntityToBlockMapping.map",
    "LLMProvider::complete": "umi.extract:Model.complete",
    "EmbeddingProvider::embed": "umi.embed:Embedder.embed",
    "EmbeddingProvider::dimensions": "umi.embed:Embedder.dimensions",
    "EmbeddingProvider::name": "umi.embed:Embedder.name",
    "SimEmbeddingProvider": "umi.embed:HashEmbedder",
    "OpenAIEmbeddingProvider": "umi.embed:WireEmbedder",
    "StorageBackend": "umi.storage:Database",
    "StorageBackend(Postgres)": "umi.storage.postgres:PostgresDatabase",
    "StorageBackend(Sim)": "umi.storage.simulated:SimulatedDatabase",
    "PromotionPolicy": "umi.promote:HybridPromotion",
    "EvictionPolicy": "umi.promote:HybridEviction",
}

FIELDS = {
    "Entity": (entity.Entity, "id type name summary attributes aliases mentions first_seen_ms last_seen_ms importance"),
    "Entity.metadata, document_time, event_time, source_ref": (
        entity.Fact,
        "metadata document_time_ms event_time_ms source created_at_ms importance",
    ),
    "ExtractedEntity": (entity.Mention, "name type content confidence"),
    "ExtractedRelation": (entity.Claim, "subject attribute value confidence"),
    "SearchResult.scores": (entity.Recalled, "fact score explain"),
    "EvolutionRelation": ("umi.evolve:Evolution", "old_id new_id kind reason confidence"),
}

# umi.md §2, those that the original used; a star there means that nothing did.
LIMITS = {
    "CORE_MEMORY_SIZE_BYTES_MAX": 32_768,
    "CORE_MEMORY_SIZE_BYTES_MIN": 4_096,
    "CORE_MEMORY_BLOCK_SIZE_BYTES_MAX": 16_384,
    "CORE_MEMORY_BLOCK_LABEL_BYTES_MAX": 64,
    "CORE_MEMORY_BLOCKS_COUNT_MAX": 32,
    "CORE_MEMORY_BLOCK_IMPORTANCE_DEFAULT": 0.5,
    "WORKING_MEMORY_SIZE_BYTES_MAX": 1_048_576,
    "WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX": 65_536,
    "WORKING_MEMORY_TTL_SECS_DEFAULT": 3_600,
    "WORKING_MEMORY_TTL_SECS_MAX": 604_800,
    "WORKING_MEMORY_ENTRIES_COUNT_MAX": 10_000,
    "ENTITY_CONTENT_BYTES_MAX": 1_000_000,
    "ENTITY_NAME_BYTES_MAX": 256,
    "EVOLUTION_REASON_BYTES_MAX": 1_024,
    "EVOLUTION_EXISTING_ENTITIES_COUNT_MAX": 10,
    "EVOLUTION_CONFIDENCE_THRESHOLD_DEFAULT": 0.3,
    "EMBEDDING_BATCH_SIZE_MAX": 100,
    "LLM_PROMPT_BYTES_MAX": 100_000,
    "LLM_RESPONSE_BYTES_MAX": 50_000,
    "EXTRACTION_TEXT_BYTES_MAX": 100_000,
    "EXTRACTION_ENTITIES_COUNT_MAX": 50,
    "EXTRACTION_RELATIONS_COUNT_MAX": 100,
    "EXTRACTION_CONFIDENCE_DEFAULT": 0.5,
    "EXTRACTION_ENTITY_NAME_BYTES_MAX": 256,
    "EXTRACTION_ENTITY_CONTENT_BYTES_MAX": 1_000,
    "RETRIEVAL_QUERY_BYTES_MAX": 10_000,
    "RETRIEVAL_QUERY_REWRITE_COUNT_MAX": 3,
    "MEMORY_TEXT_BYTES_MAX": 100_000,
    "MEMORY_RECALL_LIMIT_MAX": 100,
    "MEMORY_RECALL_LIMIT_DEFAULT": 10,
    "MEMORY_IMPORTANCE_DEFAULT": 0.5,
    "ACCESS_TRACKER_DECAY_HALFLIFE_MS": 604_800_000,
    "PROMOTION_WEIGHT_IMPORTANCE": 0.4,
    "PROMOTION_WEIGHT_RECENCY": 0.3,
    "PROMOTION_WEIGHT_FREQUENCY": 0.2,
    "PROMOTION_WEIGHT_TYPE_PRIORITY": 0.1,
}


@pytest.mark.parametrize(("theirs", "ours"), METHODS.items())
def test_every_method_has_its_equivalent(theirs, ours):
    path, _, parameter = ours.partition("(")
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if parameter:
        assert parameter in inspect.signature(found).parameters


@pytest.mark.parametrize("theirs", FIELDS)
def test_every_field_has_its_equivalent(theirs):
    struct, fields = FIELDS[theirs]
    if isinstance(struct, str):
        module, _, name = struct.partition(":")
        struct = getattr(importlib.import_module(module), name)
    assert set(fields.split()) <= {field.name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize(("name", "value"), LIMITS.items())
def test_every_live_limit_is_here_under_its_name(name, value):
    assert getattr(limits, name) == value


def test_every_type_of_entity_and_relation_is_here():
    theirs = "self person organization project topic location event note task preference".split()
    assert set(theirs) == set(entity.ENTITY_TYPES)
    relations = "works_at knows manages relates_to prefers part_of located_in".split()
    assert set(relations) == set(entity.RELATIONS)
