"""What the routes stand on, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request

from kelpie.agents.batching import Batching
from kelpie.agents.inbox import Inbox
from kelpie.agents.scheduling import Scheduling
from kelpie.agents.together.talking import Talking
from kelpie.agents.turn.scene import Workshop
from kelpie.analyst.service import Analyst
from kelpie.api.auth import Keys
from kelpie.config import KeyScope
from kelpie.errors import NotFound, NotPermitted
from kelpie.files.processing import Processing
from kelpie.models.model import ModelCard
from kelpie.people.resolving import resolve_within, within
from kelpie.people.speaker import Speaker
from kelpie.tenants import Quotas
from kelpie.tools.mcp.tools import McpTools
from kelpie.trajectories import runs
from umi.storage import View


async def _no_levels() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class House:
    """Everything an endpoint may use. Built once, by kelpie.server.

    uploads        takes files in, and reads them
    quotas         what each tenant may still do
    levels         the isolation custom tools run at on this machine, as the health route reports it
    metrics        the metrics as text, and their media type
    redact         a text without what looks like a secret
    analyst        the analyst's open sources; None where the extra is not installed
    analyst_model  the handle that answers questions unless one names another
    mcp            the MCP servers agents have tools of; None where there are none
    provider_hosts where tenants' own providers may be though it isn't the internet
    strict_letta   agents do what Letta's do and nothing else: what is ours on the wire is not read or shown
    """

    workshop: Workshop
    inbox: Inbox
    scheduling: Scheduling
    batching: Batching
    talking: Talking
    uploads: Processing
    keys: Keys
    quotas: Quotas
    version: str
    levels: Callable[[], Awaitable[dict[str, Any]]] = _no_levels
    metrics: Callable[[], tuple[bytes, str]] | None = None
    redact: Callable[[str], str] = str
    analyst: Analyst | None = None
    analyst_model: str | None = None
    strict_letta: bool = False
    mcp: McpTools | None = None
    provider_hosts: tuple[str, ...] = ()


class Caller(NamedTuple):
    """One request's view of the house: whose data it may see, and how to read them.

    people  whom its key may speak for, empty for everybody of the tenant
    scope   what its key may do; the gate has seen to it that it may do this
    """

    house: House
    tenant: str
    view: View
    people: tuple[str, ...] = ()
    scope: KeyScope = "admin"

    @property
    def workshop(self) -> Workshop:
        return self.house.workshop

    def card_of(self, handle: str) -> ModelCard:
        """Of an agent's model, or the fallback's. Raises ModelError for a handle that no provider serves."""
        return self.house.workshop.models.resolve_or_fall_back(handle, self.tenant)[0]

    def now_ms(self) -> int:
        return self.house.workshop.host.clock.now_ms()

    async def speaker(self, as_: str | None) -> Speaker:
        """Whom the request is for. Raises NotFound, InvalidInput, and NotPermitted for whom the key doesn't speak."""
        return await resolve_within(self.view, self.tenant, self.people, as_)

    async def check_sees(self, run_id: str) -> None:
        """Raise NotFound where the key is limited to people and the run was for somebody else."""
        if self.people:
            run = await runs.get(self.view, self.tenant, run_id)
            allowed = await within(self.view, self.tenant, self.people)
            if run.options.speaker is None or run.options.speaker.key not in {one.key for one in allowed}:
                raise NotFound("there is nothing of that id for those this key speaks for")


def caller(request: Request) -> Caller:
    """For a route that shows or changes what is a whole tenant's: most of them.

    Raises NotPermitted for a key that speaks for a few people alone.
    """
    who = caller_for_people(request)
    if who.people:
        raise NotPermitted(
            f"this key speaks for {', '.join(who.people)} alone: it asks questions for them and keeps their conventions"
        )
    return who


def caller_for_people(request: Request) -> Caller:
    """For a route that looks at `Caller.people` itself: by `speaker` or `check_sees`."""
    house: House = request.app.state.house
    scope = request.scope
    return Caller(
        house, scope["kelpie.tenant"], View(house.workshop.database), scope["kelpie.people"], scope["kelpie.scope"]
    )


def is_sdk_1(request: Request) -> bool:
    """Whether a client of generation 1 is asking: lists then leave relationships out unless asked for, and some
    changes answer null. Generations before 1 expect whole agents."""
    version = request.headers.get("x-stainless-package-version")
    if version is not None:
        return version.partition(".")[0] not in ("0", "")
    return request.headers.get("user-agent", "").lower().startswith("letta-client/1.")
