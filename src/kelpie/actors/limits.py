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
