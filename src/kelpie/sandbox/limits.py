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
SANDBOX_BURIAL_MS_MAX = 1_000  # the event loop is held for so long at most, when a call is cancelled twice
SANDBOX_KILL_WAIT_MS_MAX = 5_000  # from SIGKILL until every pipe is closed
# One reserved uid per place, so that the kernel counts each call's processes alone. No distribution hands these out:
# they lie between the dynamic users of systemd and the accounts of people.
SANDBOX_UID_FIRST = 61_000

SELFTEST_WALL_MS = 20_000
SELFTEST_DEADLINE_MS = 100
SELFTEST_PROCESSES = 8
SELFTEST_AGAIN_MS = 60_000  # a failed self-test is believed this long, a passed one as long as the process lives

# ---- files, asks, and the level "process"
SANDBOX_FILES_MAX = 1_000  # into the working folder, and out of it
SANDBOX_FILES_BYTES_MAX = 16 << 20
SANDBOX_TMP_FILES_MAX = 20_000  # names in /tmp: an empty file takes memory too
SANDBOX_ASKS_MAX = 1_000  # of one call
SANDBOX_ASKS_WAITING_MAX = 16
SANDBOX_ASK_BYTES_MAX = 1 << 20
SANDBOX_ANSWER_BYTES_MAX = 8 << 20
SANDBOX_RETRY_AFTER_S = 10
SANDBOX_TEMPLATES_MAX = 16  # warm processes; the one that rested longest makes room
SANDBOX_TEMPLATE_CALLS_MAX = 500  # then it is started afresh
SANDBOX_TEMPLATE_IDLE_MS_MAX = 300_000
SANDBOX_TEMPLATE_START_MS_MAX = 20_000
SANDBOX_PROGRAMS_MAX = 32  # that live on between calls: MCP servers
SANDBOX_CPU_WEIGHT = 50  # of a call against the server's 100, where both want the processor

EGRESS_BYTES_DEFAULT = 16 << 20  # both ways together, of one call
EGRESS_CALLS_DEFAULT = 20

# ---- network: the proxy of one call
EGRESS_BYTES_MAX = 1 << 30
EGRESS_CALLS_MAX = 10_000
EGRESS_HOSTS_MAX = 100  # listed
EGRESS_HOST_CHARS_MAX = 253  # as DNS has it
EGRESS_CONNECTIONS_MAX = 32  # open at once
EGRESS_HEAD_BYTES_MAX = 32 << 10
EGRESS_HEADERS_MAX = 100
EGRESS_PIECE_BYTES_MIN = 256  # what a piece counts as at least, however small it is
EGRESS_INTERIM_ANSWERS_MAX = 10  # 100 Continue and the like, before the answer
EGRESS_ADDRESSES_TRIED_MAX = 4
EGRESS_LOOKUPS_AT_ONCE_MAX = 2
EGRESS_RESOLVE_MS_MAX = 10_000
EGRESS_CONNECT_MS_MAX = 10_000  # each address
EGRESS_IDLE_MS_MAX = 60_000  # without a byte in either direction
EGRESS_TOTAL_MS_MAX = 600_000  # of one connection
EGRESS_FLUSH_MS_MAX = 5_000  # for the last bytes, once everything is said
EGRESS_REFUSED_LINES_MAX = 100
EGRESS_LINE_CHARS_MAX = 300

# ---- the level "microvm"
MICROVM_BUILD_STEP_MS_MAX = 600_000  # one program of the image's build: a download over a slow line
MICROVM_MEMORY_BYTES = 768 << 20  # of a guest; what it does not touch costs nothing
MICROVM_VMM_MEMORY_BYTES = 1 << 30  # address space of a monitor on top of that
MICROVM_TCG_CODE_MB = 64  # translated code of one guest
MICROVM_STATE_BYTES_MAX = 32 << 20  # of a machine without its memory: kilobytes
MICROVM_OPEN_FILES_MAX = 64  # of a monitor
MICROVM_NICE = 5
MICROVM_WORD_BYTES_MAX = 4 << 10  # what the agent says beside the tool's own frames and output
MICROVM_LAYER_BYTES_MAX = 128 << 20  # it lies in the guest's memory
MICROVM_BOOT_MS_MAX = 120_000  # from nothing to the agent's word
MICROVM_RESTORE_MS_MAX = 20_000
MICROVM_UID_FIRST = 61_100  # reserved, one per machine that runs
MICROVM_AT_ONCE_MAX = 16  # machines that run calls: one per processor, two at least, and never more than these
MICROVM_WAITING_MAX = 60  # calls that wait for one; any further is told to come again
MICROVM_SPARE = 1  # machines restored ahead of their call
MICROVM_TEMPLATES_MAX = 4  # booted machines in memory, one for each set of packages
MICROVM_STOP_MS = 2_000  # after the deadline, for the agent to say what the tool had written
MICROVM_SELFTEST_MS_MAX = 60_000  # the probes, on an emulated processor of a busy machine
MICROVM_BOOT_KVM_MS_MAX = 20_000  # with the processor's help it takes a second or never comes
MICROVM_FAILED_AGAIN_MS = 86_400_000  # a machine that did not boot is tried again a day later

# ---- languages: JavaScript and TypeScript
JAVASCRIPT_BYTES_MAX = 200_000  # the slowest such text takes 0.7 s to parse, on the event loop
JAVASCRIPT_NAME_CHARS_MAX = 48  # of a function that is a tool
JAVASCRIPT_PARAMETERS_MAX = 100
JAVASCRIPT_SCHEMA_PARTS_MAX = 2_000
JAVASCRIPT_SCHEMA_DEPTH_MAX = 20
RUNNABLE_KEPT_MAX = 32  # sources as node gets them
NODE_MAJOR_MIN = 18
NODE_VERSION_MS_MAX = 10_000
NODE_ADDRESSES_BYTES = 1 << 30  # it reserves 0.8 GiB at its start
NODE_BESIDE_HEAP_BYTES = 64 << 20  # its code, stacks and buffers
NODE_HEAP_MIB_MIN = 32

# ---- layers: packages for tools
LAYER_REQUIREMENTS_MAX = 50
LAYER_REQUIREMENT_CHARS_MAX = 200
LAYER_BYTES_MAX = 512 << 20  # unpacked
LAYER_FILES_MAX = 50_000
LAYER_INSTALL_MS_MAX = 300_000
LAYER_MEASURE_MS = 500
LAYER_LOG_BYTES_MAX = 2_000  # of what the installation said
LAYER_INSTALLS_AT_ONCE_MAX = 2
LAYER_INSTALLS_WAITING_MAX = 20
LAYER_FAILED_AGAIN_MS = 60_000  # a failure is believed this long
LAYER_FAILURES_KEPT_MAX = 100
LAYER_KEPT_MS = 3_600_000  # longer than any call that may still read it
LAYERS_MAX = 64
LAYERS_BYTES_MAX = 8 << 30
MICROVM_CALL_MEMORY_BYTES_MAX = 600 << 20  # what a call may ask for, of its guest's memory
MICROVM_API_MS_MAX = 20_000  # one request to a monitor: the longest writes a snapshot
MICROVM_THREADS_MAX = 16  # of a monitor
