"""Jobs and batches on the wire. A job is Letta's older word for what goes on behind a request: ours are views of runs,
of files that are being read, and of batches.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from kelpie.agents import limits as agent_limits
from kelpie.agents.batches import Batch, Item, Request
from kelpie.api import limits
from kelpie.api.ids import UUID_CHARS, pattern
from kelpie.api.wire.incoming import SendMessages
from kelpie.api.wire.times import iso, iso_or_none
from kelpie.errors import InvalidInput, NotServed
from kelpie.files.files import File
from kelpie.trajectories.records import Run, StoredMessage
from umi.dst import Ids
from umi.wire.types import ImagePart, Part, TextPart

_OF_FILES = {"waiting": "pending", "indexing": "running", "ready": "completed", "failed": "failed"}


class BatchRequest(SendMessages):
    """What one agent is sent."""

    agent_id: Annotated[str, Field(pattern=pattern("agent"))]

    def request(self, ids: Ids) -> Request:
        """Raises InvalidInput, NotServed."""
        if self.streaming or self.stream_tokens:
            raise InvalidInput("the requests of a batch are not streamed; watch their runs")
        given, options = self.run_input(ids), self.model_copy(update={"background": True}).options()
        if any(one.answers for one in given):
            raise InvalidInput("approvals are answered by themselves, and not in a batch")
        return Request(agent_id=self.agent_id, input=given, options=options)


class CreateBatch(BaseModel):
    requests: list[BatchRequest] = Field(min_length=1, max_length=agent_limits.BATCH_ITEMS_MAX)
    callback_url: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)

    def checked(self, ids: Ids) -> list[Request]:
        """Raises InvalidInput, NotServed."""
        if self.callback_url is not None:
            raise NotServed("callback_url is not served yet; ask the batch how it ended")
        return [one.request(ids) for one in self.requests]


def of_run(run: Run) -> dict[str, Any]:
    return _job(run.id, run.status, "run", run.created_at_ms, run.completed_at_ms) | {
        "agent_id": run.agent_id,
        "background": run.options.background,
        "stop_reason": run.stop_reason,
        "metadata": {"error": run.error} if run.error else None,
    }


def of_file(file: File) -> dict[str, Any]:
    """The reading of a file."""
    status = _OF_FILES.get(file.state, "running")
    ended_ms = file.updated_at_ms if status in ("completed", "failed") else None
    told = {"type": "embedding", "file_id": file.id, "source_id": file.folder_id, "filename": file.original_name}
    return _job(id_of_file(file.id), status, "job", file.created_at_ms, ended_ms) | {
        "metadata": told | ({"error": file.error} if file.error else {})
    }


def of_batch(batch: Batch, items: list[Item] | None = None) -> dict[str, Any]:
    """With its items: what became of each."""
    told = None
    if items is not None:
        told = {
            "items": [
                {"agent_id": one.request.agent_id, "state": one.state, "run_id": one.run_id, "error": one.error}
                for one in items
            ]
        }
    ended_ms = batch.completed_at_ms
    return _job(batch.id, batch.status, "batch", batch.created_at_ms, ended_ms) | {"metadata": told}


def id_of_file(file_id: str) -> str:
    """The id of the job that reads a file: its UUID."""
    return f"job-{file_id[-UUID_CHARS:]}"


def file_of_id(job_id: str) -> str:
    return f"file-{job_id[-UUID_CHARS:]}"


def _job(job_id: str, status: str, job_type: str, created_at_ms: int, ended_at_ms: int | None) -> dict[str, Any]:
    return {
        "id": job_id,
        "status": status,
        "job_type": job_type,
        "created_at": iso(created_at_ms),
        "updated_at": iso_or_none(ended_at_ms),
        "completed_at": iso_or_none(ended_at_ms),
        "stop_reason": None,
        "metadata": None,
        "background": True,
        "agent_id": None,
        "callback_url": None,
        "callback_sent_at": None,
        "callback_status_code": None,
        "callback_error": None,
        "ttft_ns": None,
        "total_duration_ns": None if ended_at_ms is None else max(0, ended_at_ms - created_at_ms) * 1_000_000,
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def stored(one: StoredMessage) -> dict[str, Any]:
    """A message as it is stored, in Letta's words for that: batches show these."""
    body = one.body
    parts = [{"type": "text", "text": body.content}] if isinstance(body.content, str) else None
    if body.content is not None and parts is None:
        parts = [_part(part) for part in body.content if not isinstance(part, str)]
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in body.tool_calls
    ]
    return {
        "id": one.id,
        "agent_id": one.agent_id,
        "role": body.role,
        "content": parts,
        "name": body.name,
        "tool_calls": calls or None,
        "tool_call_id": body.tool_call_id,
        "step_id": one.step_id,
        "run_id": one.run_id,
        "otid": one.otid,
        "created_at": iso(one.created_at_ms),
        "is_err": body.is_error,
    }


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    assert isinstance(part, ImagePart)
    if part.url is not None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}
