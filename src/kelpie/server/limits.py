"""Bounds of the server process."""

METRIC_MODELS_MAX = 50  # models that have a label of their own
CONNECTIONS_IDLE_CLOSE_S = 75
GRACEFUL_STOP_S = 3  # for requests under way; what is left is resumed at the next start
LISTEN_BACKLOG = 2_048
