"""Metrics: what the server counted, as Prometheus reads it.

Every label has few values: routes are templates, tools and models beyond a bound are counted together, and no id of
an agent, a run or a tenant is ever a label.
"""

from collections.abc import Collection

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kelpie.events import (
    ActivationChanged,
    CommitGroupEnded,
    Event,
    QueueChanged,
    RequestEnded,
    RunEnded,
    StepEnded,
    ToolEnded,
)
from kelpie.server import limits

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
OTHER = "other"
CUSTOM_TOOL = "custom"


class _Few:
    """The first values of a label, so many as are allowed; all later ones are "other"."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._maximum:
            return OTHER
        self._known.add(value)
        return value


class Metrics:
    """A listener for kelpie.events.Events, with a registry of its own: two servers in one process don't mix.

    builtin_tools  the names that are shown; all other tools are "custom"
    """

    def __init__(self, builtin_tools: Collection[str]) -> None:
        self._tools = frozenset(builtin_tools)
        self._models = _Few(limits.METRIC_MODELS_MAX)
        self.registry = registry = CollectorRegistry()
        self._requests = Histogram(
            "kelpie_http_request_seconds",
            "Duration of HTTP requests.",
            ["method", "route", "status"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._runs = Histogram(
            "kelpie_run_seconds", "Duration of runs.", ["stop_reason"], registry=registry, buckets=_SECONDS
        )
        self._steps = Histogram(
            "kelpie_model_call_seconds",
            "Duration of model calls.",
            ["model", "outcome"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._tokens = Counter("kelpie_tokens", "Tokens of model calls.", ["model", "kind"], registry=registry)
        self._calls = Histogram(
            "kelpie_tool_call_seconds",
            "Duration of tool calls.",
            ["tool", "outcome"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._groups = Histogram(
            "kelpie_commit_group_size", "Commits that shared one sync.", registry=registry, buckets=_GROUP_SIZES
        )
        self._syncs = Histogram(
            "kelpie_commit_group_seconds", "Duration of groups of commits.", registry=registry, buckets=_SECONDS
        )
        self._live = Gauge("kelpie_activations", "Agents that are alive in this process.", registry=registry)
        self._waiting = Gauge("kelpie_messages_waiting", "Messages accepted and not yet begun.", registry=registry)

    def on_event(self, event: Event) -> None:
        seconds = event.duration_ms / 1000
        match event:
            case RequestEnded():
                self._requests.labels(event.method, event.route, event.status).observe(seconds)
            case CommitGroupEnded():
                self._groups.observe(event.commits)
                self._syncs.observe(seconds)
            case QueueChanged():
                self._waiting.set(event.waiting)
            case StepEnded():
                model = self._models(event.model)
                self._steps.labels(model, event.outcome).observe(event.model_duration_ms / 1000)
                self._tokens.labels(model, "prompt").inc(event.prompt_tokens)
                self._tokens.labels(model, "completion").inc(event.completion_tokens)
            case ToolEnded():
                tool = event.tool if event.tool in self._tools else CUSTOM_TOOL
                self._calls.labels(tool, event.outcome).observe(seconds)
            case RunEnded():
                self._runs.labels(event.stop_reason).observe(seconds)
            case ActivationChanged():
                self._live.set(event.live)

    def text(self) -> tuple[bytes, str]:
        """The metrics as text, and their media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
