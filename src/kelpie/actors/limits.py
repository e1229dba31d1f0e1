"""Bounds of actors."""

MAILBOX_MESSAGES_MAX = 1_000  # waiting for one actor; the next one is refused with QueueFull
IDLE_BEFORE_DEACTIVATION_MS = 300_000
SWEEP_INTERVAL_MS = 15_000
