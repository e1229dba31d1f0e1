"""Bounds of kelpie.models."""

HANDLE_CHARS_MAX = 256

# Providers of tenants
PROVIDERS_PER_TENANT_MAX = 100
PROVIDER_NAME_CHARS_MAX = 64
PROVIDER_PLAN_ATTEMPTS_MAX = 5
PROVIDER_TEXT_CHARS_MAX = 4_096  # of an address or a key

# Listing what providers offer
MODELS_PER_PROVIDER_MAX = 2_000
MODELS_CACHE_MS = 60_000
MODELS_FAILED_CACHE_MS = 5_000  # a server that was just started should show up soon
MODELS_LIST_TIMEOUT_MS = 3_000
PROVIDER_CHECK_TIMEOUT_MS = 20_000  # of somebody who asks for it, and waits

# What a model gets whose provider does not tell and whose name we don't know
CONTEXT_WINDOW_TOKENS_DEFAULT = 30_000
OUTPUT_TOKENS_DEFAULT = 16_384

# The scripted model
SCRIPT_WORDS_MAX = 100_000
SCRIPT_DELAY_MS_MAX = 600_000
SCRIPT_REQUEST_BYTES_MAX = 64_000_000

# The model in this process
LOCAL_CONTEXT_TOKENS = 8_192  # what SmolLM2 was trained for
LOCAL_OUTPUT_TOKENS_MAX = 512  # a small model that rambles stops here
