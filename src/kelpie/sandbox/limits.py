"""Bounds of the sandbox. Those named DEFAULT are what a call gets unless its SandboxLimits say otherwise."""

SANDBOX_WALL_MS_DEFAULT = 60_000
SANDBOX_CPU_MS_DEFAULT = 30_000  # of each process; the kernel counts whole seconds
SANDBOX_MEMORY_BYTES_DEFAULT = 512 << 20  # address space of each process
SANDBOX_MEMORY_RESERVE_BYTES = 32 << 20  # what the runner may take on top, to say that the tool ran out of memory
SANDBOX_PROCESSES_DEFAULT = 16  # processes and threads of one call
SANDBOX_OPEN_FILES_DEFAULT = 128
SANDBOX_FILE_BYTES_DEFAULT = 32 << 20
SANDBOX_TMP_BYTES_DEFAULT = 64 << 20  # /tmp, in memory
SANDBOX_OUTPUT_BYTES_DEFAULT = 100_000  # kept of stdout and of stderr, each; the rest is read and dropped
SANDBOX_OUTPUT_BYTES_MAX = 64 << 20  # dropped output too has an end: more than this stops the call
SANDBOX_RESULT_CHARS_DEFAULT = 1_000_000
SANDBOX_ERROR_CHARS_MAX = 10_000
SANDBOX_ORDER_BYTES_MAX = 8 << 20  # source, arguments and environment of one call
SANDBOX_ENVIRONMENT_NAMES_MAX = 100

SANDBOX_CALLS_AT_ONCE_MAX = 8
SANDBOX_WAIT_MS_MAX = 60_000  # for one of these places
SANDBOX_KILL_POLL_MS = 5
SANDBOX_BURIAL_MS_MAX = 1_000  # the event loop is held for so long at most, when a call is cancelled twice
SANDBOX_KILL_WAIT_MS_MAX = 5_000  # from SIGKILL until every pipe is closed
# One reserved uid per place, so that the kernel counts each call's processes alone. No distribution hands these out:
# they lie between the dynamic users of systemd and the accounts of people.
SANDBOX_UID_FIRST = 61_000

SELFTEST_WALL_MS = 20_000
SELFTEST_DEADLINE_MS = 100
SELFTEST_PROCESSES = 8
SELFTEST_AGAIN_MS = 60_000  # a failed self-test is believed this long, a passed one as long as the process lives

EGRESS_BYTES_DEFAULT = 16 << 20  # both ways together, of one call
EGRESS_CALLS_DEFAULT = 20
