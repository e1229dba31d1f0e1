"""Traces: runs, steps and tool calls as OpenTelemetry spans, where an endpoint is configured.

Events come when things have ended, so spans are written with their times after the fact. Their ids are taken from
ours: the trace of a run can be found by its id, and a step finds the span of its run without either being kept.
"""

import hashlib
from typing import TYPE_CHECKING, Any

from kelpie.events import Event, RunEnded, StepEnded, ToolEnded
from umi.dst import Host

if TYPE_CHECKING:  # the SDK costs 100 ms and 20 MB: paid only where traces are sent
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_SERVICE = "kelpie"


def trace_id_of(run_id: str) -> int:
    return int(run_id[-36:].replace("-", ""), 16)


def span_id_of(*names: str) -> int:
    digest = hashlib.blake2b("/".join(names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


class Traces:
    """A listener for kelpie.events.Events. Spans are sent in batches by the SDK's own thread.

    endpoint  where an OpenTelemetry collector takes OTLP over HTTP, without the path
    """

    def __init__(self, endpoint: str, host: Host, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        self._host = host
        self._calls = 0
        self._provider = _provider(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"), version)
        self._ids: Any = self._provider.id_generator
        self._tracer = self._provider.get_tracer(_SERVICE, version)

    def on_event(self, event: Event) -> None:
        attributes: dict[str, Any]
        match event:
            case RunEnded():
                attributes = {"kelpie.stop_reason": event.stop_reason}
                self._span("run", event, span_id_of(event.run_id), None, attributes)
            case StepEnded():
                attributes = {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": event.model,
                    "gen_ai.usage.input_tokens": event.prompt_tokens,
                    "gen_ai.usage.output_tokens": event.completion_tokens,
                }
                self._span(f"chat {event.model}", event, span_id_of(event.step_id), event.run_id, attributes)
            case ToolEnded():
                self._calls += 1
                attributes = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": event.tool,
                    "kelpie.isolation": event.level,
                }
                span_id = span_id_of(event.step_id, event.tool, str(self._calls))
                self._span(f"tool {event.tool}", event, span_id, event.step_id, attributes)

    def _span(self, name: str, event: Event, span_id: int, parent: str | None, attributes: dict[str, Any]) -> None:
        from opentelemetry import trace

        trace_id = trace_id_of(event.run_id)
        context = None
        if parent is not None:
            above = trace.SpanContext(
                trace_id, span_id_of(parent), is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
        self._ids.next(trace_id, span_id)
        end_ns = self._host.clock.now_ms() * 1_000_000
        shared = {"kelpie.tenant": event.tenant, "gen_ai.agent.id": event.agent_id, "kelpie.run.id": event.run_id}
        span = self._tracer.start_span(
            name, context, attributes=shared | attributes, start_time=end_ns - int(event.duration_ms * 1_000_000)
        )
        if event.outcome != "ok":
            span.set_status(trace.StatusCode.ERROR, event.error or event.outcome)
        span.end(end_ns)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _provider(exporter: "SpanExporter", version: str) -> "TracerProvider":
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class OurIds(IdGenerator):
        """Hands the SDK the ids that were announced with `next`."""

        def __init__(self) -> None:
            self._trace_id = self._span_id = 1

        def next(self, trace_id: int, span_id: int) -> None:
            self._trace_id, self._span_id = trace_id, span_id

        def generate_trace_id(self) -> int:
            return self._trace_id

        def generate_span_id(self) -> int:
            return self._span_id

    provider = TracerProvider(
        id_generator=OurIds(), resource=Resource.create({"service.name": _SERVICE, "service.version": version})
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
