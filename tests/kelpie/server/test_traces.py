"""Traces: a run, its steps and its tool calls as one tree of spans, sent to a collector that really listens."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kelpie.events import RunEnded, StepEnded, ToolEnded
from kelpie.server.traces import Traces, span_id_of, trace_id_of

RUN = "run-123e4567-e89b-42d3-8456-426614174000"


@pytest.fixture
def collector():
    """A collector for OTLP over HTTP: the requests it got, as protocol buffers."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            got.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_run_is_one_trace_with_its_steps_and_calls_below_it(collector, host):
    url, got = collector
    traces = Traces(url, host, "1")
    shared = {"tenant": "t", "agent_id": "agent-1", "run_id": RUN}
    traces.on_event(ToolEnded(**shared, step_id="step-1", tool="look", level="process", duration_ms=5))
    traces.on_event(StepEnded(**shared, step_id="step-1", model="openai/x", prompt_tokens=7, duration_ms=100))
    traces.on_event(
        RunEnded(**shared, stop_reason="llm_api_error", duration_ms=250, outcome="error", error="rate_limit")
    )
    traces.close()
    assert [path for path, _ in got] == ["/v1/traces"]
    resource = got[0][1].resource_spans[0]
    assert ("service.name", "kelpie") in {(one.key, one.value.string_value) for one in resource.resource.attributes}
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    assert set(spans) == {"run", "chat openai/x", "tool look"}
    run, step, tool = spans["run"], spans["chat openai/x"], spans["tool look"]
    assert {span.trace_id for span in spans.values()} == {trace_id_of(RUN).to_bytes(16, "big")}
    assert run.span_id == span_id_of(RUN).to_bytes(8, "big")
    assert run.parent_span_id == b""
    assert step.parent_span_id == run.span_id
    assert tool.parent_span_id == step.span_id == span_id_of("step-1").to_bytes(8, "big")
    assert run.end_time_unix_nano == host.clock.now_ms() * 1_000_000
    assert run.end_time_unix_nano - run.start_time_unix_nano == 250_000_000
    assert (run.status.code, run.status.message) == (2, "rate_limit")
    said = {one.key: one.value for one in step.attributes}
    assert said["gen_ai.request.model"].string_value == "openai/x"
    assert said["gen_ai.usage.input_tokens"].int_value == 7
    assert {one.key for span in spans.values() for one in span.attributes} & {"prompt", "arguments", "result"} == set()


def test_two_calls_of_one_tool_are_two_spans(collector, host):
    url, got = collector
    traces = Traces(url, host, "1")
    for _ in range(2):
        traces.on_event(ToolEnded(run_id=RUN, step_id="step-1", tool="look"))
    traces.close()
    spans = [span for _, sent in got for scope in sent.resource_spans[0].scope_spans for span in scope.spans]
    assert len({span.span_id for span in spans}) == len(spans) == 2
