"""Bounds of tenants, their keys and their quotas."""

TENANT_CHARS_MAX = 64
TENANTS_MAX = 10_000
KEY_BYTES = 32  # of chance in a key: what makes a plain hash of it safe to keep
KEY_NAME_CHARS_MAX = 100
KEY_PEOPLE_MAX = 50
KEYS_PER_TENANT_MAX = 1_000  # that still open something
KEYS_ENDED_KEPT_MS = 7_776_000_000  # 90 days: then the row of a revoked or expired key goes as well
KEY_CACHE_MS = 10_000  # how long a node goes on believing what it read of a key that another node revoked
KEYS_CACHED_MAX = 10_000
QUOTA_NUMBER_MAX = 2**53
STORAGE_MEASURE_MS = 300_000  # between two looks at how much a tenant has stored
STORAGE_MEASURE_AGAIN_MS = 10_000  # the same where the tenant has come to its quota: it may have deleted something
