"""Rows of the audit on the wire."""

from typing import Any

from kelpie.api.wire.times import iso
from kelpie.tools.audit import AuditRow


def row(one: AuditRow) -> dict[str, Any]:
    """A row. `step_id` and `tool_call_id` lead to arguments and result."""
    of, ran = one.sandboxed, one.ran
    return {
        "id": one.id,
        "at": iso(one.at_ms),
        "state": one.state,
        "tool": one.tool,
        "tool_id": of.tool_id or None,
        "tool_version": of.version or None,
        "server": of.server or None,
        "trust": of.trust,
        "needs": of.needs or None,
        "lowered": one.is_lowered,
        "agent_id": one.agent_id or None,
        "run_id": one.run_id or None,
        "step_id": one.step_id or None,
        "tool_call_id": one.tool_call_id,
        "speaker": one.speaker or None,
        "model": one.model or None,
        "is_error": one.is_error,
        "level": ran.level or None,
        "backend": ran.backend or None,
        "killed_by": ran.killed_by,
        "exit": ran.exit,
        "duration_ms": ran.duration_ms,
        "cpu_ms": ran.cpu_ms,
        "memory_bytes": ran.memory_bytes,
        "network_refused": ran.network,
        "asks": ran.asks,
        "refusal": ran.refusal or None,
    }
