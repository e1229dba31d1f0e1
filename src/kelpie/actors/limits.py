"""Bounds of actors."""

MAILBOX_MESSAGES_MAX = 1_000  # waiting for one actor; the next one is refused with QueueFull
IDLE_BEFORE_DEACTIVATION_MS = 300_000
SWEEP_INTERVAL_MS = 15_000
OUTBOX_SWEEP_MS = 30_000
OUTBOX_LEFT_MS = 60_000  # an errand that was due this long ago is taken up by whoever sees it
OUTBOX_PAGE_ERRANDS = 1_000  # read at a time
OUTBOX_RETRY_DELAY_MS = 1_000  # after the first failure of an errand; doubles with each
OUTBOX_RETRY_DELAY_MS_MAX = 60_000
OUTBOX_WAIT_MS_MAX = 600_000  # for an errand's time to come: clocks jump
REMINDERS_PER_ACTOR_MAX = 100
REMINDERS_PAGE = 100  # that are due, read and done at a time
REMINDERS_SWEEP_MS = 30_000  # the longest time between two looks: clocks jump, and others write reminders too
REMINDER_BODY_BYTES_MAX = 1_000_000
REMINDER_CRON_CHARS_MAX = 256
REMINDER_TIMEZONE_CHARS_MAX = 64
REMINDER_INTERVAL_MS_MIN = 1_000
REMINDER_PAST_MS_MAX = 60_000  # clocks differ; what is further back was meant otherwise, perhaps in seconds
REMINDER_AHEAD_MS_MAX = 315_576_000_000  # ten years
REMINDER_RETRY_DELAY_MS = 1_000  # after the first failure; doubles with each
REMINDER_RETRY_DELAY_MS_MAX = 60_000
