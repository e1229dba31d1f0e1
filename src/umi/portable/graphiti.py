"""Graphiti: its nodes, edges and episodes as JSON (what `model_dump(mode="json")` of each gives, in three lists).

    {"nodes": [{"uuid", "name", "group_id", "labels", "summary", "attributes", "created_at"}, …],
     "edges": [{"uuid", "group_id", "source_node_uuid", "target_node_uuid", "name", "fact", "episodes",
                "created_at", "expired_at", "valid_at", "invalid_at", "attributes"}, …],
     "episodes": [{"uuid", "name", "group_id", "source_description", "content", "created_at", "valid_at"}, …]}

Both time axes are kept: an edge is known from `created_at`, and from `expired_at` on it is known to have ended at
`invalid_at`; before that it was believed to hold. An episode is a fact of its own, tagged "episode", which its edges
name as their source. A group is a scope.
"""

from typing import Any

import msgspec

from umi import limits
from umi.archival.facts import Why
from umi.archival.keys import name_key
from umi.entity import Fact
from umi.errors import InvalidInput
from umi.portable.gathered import Gathered, Held, claim, fitted
from umi.portable.times import moment_ms

_NODES, _EDGES, _EPISODES = ("nodes", "entity_nodes"), ("edges", "entity_edges"), ("episodes", "episodic_nodes")


class _Node(msgspec.Struct, kw_only=True):
    uuid: str
    name: str
    group_id: str | None = None
    labels: list[str] = []
    summary: str | None = None
    attributes: dict[str, Any] | None = None
    created_at: Any = None


class _Edge(msgspec.Struct, kw_only=True):
    uuid: str
    source_node_uuid: str
    target_node_uuid: str
    name: str
    fact: str
    group_id: str | None = None
    episodes: list[str] | None = None
    attributes: dict[str, Any] | None = None
    created_at: Any = None
    expired_at: Any = None
    valid_at: Any = None
    invalid_at: Any = None


class _Episode(msgspec.Struct, kw_only=True):
    uuid: str
    content: str
    name: str = ""
    group_id: str | None = None
    source: str | None = None
    source_description: str | None = None
    created_at: Any = None
    valid_at: Any = None


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and all(
        any(isinstance(value.get(name), list) for name in names) for names in (_NODES, _EDGES)
    )


def read(value: Any, now_ms: int) -> Gathered:
    """Raises InvalidInput, msgspec.ValidationError."""
    nodes = {one.uuid: one for one in msgspec.convert(_list(value, _NODES), list[_Node])}
    edges = msgspec.convert(_list(value, _EDGES), list[_Edge])
    episodes = {one.uuid: one for one in msgspec.convert(_list(value, _EPISODES), list[_Episode])}
    gathered = Gathered()
    for node in nodes.values():
        _node(gathered, node, now_ms)
    for episode in episodes.values():
        gathered.fact(_scope(episode), Held(versions=[(_episode(episode, now_ms), Why(reason="graphiti"))]))
    several = _several(edges)
    for edge in edges:
        _edge(gathered, edge, nodes, episodes, now_ms, many=(edge.source_node_uuid, edge.name) in several)
    return gathered


def _list(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), [])


def _scope(of: _Node | _Edge | _Episode) -> str:
    return of.group_id or "default"


def _type(node: _Node) -> str:
    own = [label for label in node.labels if label not in ("Entity", node.group_id)]
    return own[0].lower() if own else "topic"


def _node(gathered: Gathered, node: _Node, now_ms: int) -> None:
    created_ms = moment_ms("created_at", node.created_at)
    seen_ms = now_ms if created_ms is None else created_ms
    gathered.entity(
        _scope(node),
        node.name,
        id=f"entity-{node.uuid}",
        type=_type(node),
        summary=node.summary or "",
        attributes=fitted(node.attributes),
        first_seen_ms=seen_ms,
        last_seen_ms=seen_ms,
    )


def _episode(episode: _Episode, now_ms: int) -> Fact:
    created_ms = moment_ms("created_at", episode.created_at)
    created_ms = now_ms if created_ms is None else created_ms
    told_ms = moment_ms("valid_at", episode.valid_at)
    return Fact(
        tenant="",
        scope="",
        id=f"passage-{episode.uuid}",
        text=episode.content,
        tags=["episode"],
        source={"name": episode.source_description or "graphiti", "episode": episode.name},
        session=episode.source_description or None,
        document_time_ms=told_ms,
        valid_from_ms=created_ms if told_ms is None else told_ms,
        known_from_ms=created_ms,
        created_at_ms=created_ms,
    )


def _several(edges: list[_Edge]) -> set[tuple[str, str]]:
    """Sources that have two targets at once under one name: later ones end none of them."""
    targets: dict[tuple[str, str], set[str]] = {}
    for edge in edges:
        if edge.invalid_at is None and edge.expired_at is None:
            targets.setdefault((edge.source_node_uuid, edge.name), set()).add(edge.target_node_uuid)
    return {key for key, found in targets.items() if len(found) > 1}


def _edge(
    gathered: Gathered, edge: _Edge, nodes: dict[str, _Node], episodes: dict[str, _Episode], now_ms: int, *, many: bool
) -> None:
    for end in (edge.source_node_uuid, edge.target_node_uuid):
        if end not in nodes:
            raise InvalidInput(f"edge '{edge.uuid:.80}' ends at node '{end:.80}', which isn't there")
    names = [nodes[edge.source_node_uuid].name, nodes[edge.target_node_uuid].name]
    told = [episodes[one] for one in edge.episodes or [] if one in episodes]
    times = [moment_ms("valid_at", one.valid_at) for one in told]
    known = [one for one in times if one is not None]
    held = Held(versions=_versions(edge, names, min(known) if known else None, now_ms, many=many), mentions=names)
    if name_key(names[0]) == name_key(names[1]):
        held.mentions = names[:1]
    gathered.fact(_scope(edge), held)


def _versions(edge: _Edge, names: list[str], told_ms: int | None, now_ms: int, *, many: bool) -> list[tuple[Fact, Why]]:
    created_ms = moment_ms("created_at", edge.created_at)
    created_ms = now_ms if created_ms is None else created_ms
    event_ms, ended_ms = moment_ms("valid_at", edge.valid_at), moment_ms("invalid_at", edge.invalid_at)
    expired_ms = moment_ms("expired_at", edge.expired_at)
    from_ms = event_ms if event_ms is not None else told_ms if told_ms is not None else created_ms
    attribute = edge.name.strip().lower().replace(" ", "_") or "relates_to"

    def version(known_ms: int, to_ms: int | None) -> Fact:
        to_ms = None if to_ms is None else max(to_ms, from_ms)
        return Fact(
            tenant="",
            scope="",
            id=f"passage-{edge.uuid}",
            text=edge.fact or f"{names[0]} {attribute.replace('_', ' ')} {names[1]}",
            metadata=fitted(edge.attributes),
            source={"name": "graphiti", "episodes": [f"passage-{one}" for one in edge.episodes or []]},
            claims=[claim(names[0], attribute, names[1][: limits.CLAIM_VALUE_BYTES_MAX], many=many, ended_ms=to_ms)],
            document_time_ms=told_ms,
            event_time_ms=event_ms,
            valid_from_ms=from_ms,
            valid_to_ms=to_ms,
            known_from_ms=known_ms,
            created_at_ms=created_ms,
        )

    if expired_ms is None or expired_ms <= created_ms:  # known with its end, if it has one, from the start
        return [(version(created_ms, ended_ms if ended_ms is not None else expired_ms), Why(reason="graphiti"))]
    believed = msgspec.structs.replace(version(created_ms, None), known_to_ms=expired_ms)
    ended = version(expired_ms, ended_ms if ended_ms is not None else expired_ms)
    return [(believed, Why(reason="graphiti")), (ended, Why(action="supersede", reason="graphiti: expired"))]
