"""Scheduled messages on the wire: what is sent to an agent later, once or again and again."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from kelpie.actors import limits as actor_limits
from kelpie.actors.recurrence import Cron, Every, Once, When
from kelpie.agents import limits as agent_limits
from kelpie.agents.scheduling import Mailing, Schedule
from kelpie.api import limits
from kelpie.api.wire.incoming import MessageCreate, MessageType, message_of
from kelpie.api.wire.times import iso
from kelpie.errors import InvalidInput, NotServed
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories.records import RunOptions


class OneTime(BaseModel):
    """`scheduled_at` is in milliseconds since 1970."""

    type: Literal["one-time"] = "one-time"
    scheduled_at: float = Field(allow_inf_nan=False)

    def when(self, _now_ms: int) -> When:
        return Once(int(self.scheduled_at))


class Recurring(BaseModel):
    """Five fields of cron. `timezone`, by its IANA name, is ours: Letta goes by UTC."""

    type: Literal["recurring"]
    cron_expression: str = Field(max_length=actor_limits.REMINDER_CRON_CHARS_MAX)
    timezone: str = Field(default="UTC", max_length=actor_limits.REMINDER_TIMEZONE_CHARS_MAX)

    def when(self, _now_ms: int) -> When:
        return Cron(self.cron_expression, self.timezone)


class Interval(BaseModel):
    """Ours: each so many seconds, counted from now."""

    type: Literal["interval"]
    interval_s: int = Field(ge=1, le=actor_limits.REMINDER_AHEAD_MS_MAX // 1000)

    def when(self, now_ms: int) -> When:
        return Every(self.interval_s * 1000, now_ms)


class CreateSchedule(BaseModel):
    messages: list[MessageCreate] = Field(min_length=1, max_length=trajectory_limits.RUN_INPUT_MESSAGES_MAX)
    schedule: OneTime | Recurring | Interval
    callback_url: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)
    include_return_message_types: list[MessageType] | None = None
    max_steps: float | None = Field(default=None, allow_inf_nan=False)

    def is_ours(self) -> bool:
        """Whether it asks for what Letta doesn't have."""
        return isinstance(self.schedule, Interval) or "timezone" in self.schedule.model_fields_set

    def mailing(self) -> Mailing:
        """Raises InvalidInput, NotServed."""
        if self.callback_url is not None:
            raise NotServed("callback_url is not served yet; ask the agent's runs how they ended")
        kept = self.model_dump(mode="json", include={"include_return_message_types", "max_steps"}, exclude_none=True)
        said = [message.model_dump(mode="json", exclude_none=True) for message in self.messages]
        return Mailing(
            messages=[message_of(message) for message in self.messages],
            options=RunOptions(max_steps=self._steps(), background=True),
            wire={"message": {"messages": said, **kept}, "schedule": self._schedule()},
        )

    def _schedule(self) -> dict[str, Any]:
        """Without what is ours, unless it was asked for."""
        return self.schedule.model_dump(mode="json", exclude_unset=True)

    def _steps(self) -> int:
        steps = agent_limits.TURN_STEPS_DEFAULT if self.max_steps is None else self.max_steps
        if steps != int(steps) or not 1 <= steps <= agent_limits.TURN_STEPS_MAX:
            raise InvalidInput(f"max_steps must be a whole number from 1 to {agent_limits.TURN_STEPS_MAX}")
        return int(steps)


def created(one: Schedule) -> dict[str, Any]:
    return {"id": one.reminder.id, "next_scheduled_at": iso(one.reminder.due_at_ms)}


def schedule(one: Schedule) -> dict[str, Any]:
    """The request as it came, with the time when it is due next."""
    reminder = one.reminder
    return {
        "id": reminder.id,
        "agent_id": reminder.actor.key,
        "next_scheduled_time": iso(reminder.due_at_ms),
        **one.mailing.wire,
    }
