"""Every limit of the service, once, with where it is documented.

Sources are pages below ``developer.atlassian.com/platform/forge/``; "measured" marks a
figure observed on the live service rather than documented.
"""

from __future__ import annotations

import re
from typing import Final

# --- Keys ------------------------------------------------- limits-kvs-ce, entities-api
KEY_MAX_CHARACTERS: Final = 500
# The documented JavaScript pattern is ``/^(?!\s+$)[a-zA-Z0-9:._\s-#]+$/``. Python's ``re``
# reads its ``\s-#`` as a range and refuses, and the two languages disagree on what ``\s``
# is, so JavaScript's white space is spelled out.
_JS_SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
KEY_PATTERN: Final = re.compile(rf"(?![{_JS_SPACE}]+\Z)[A-Za-z0-9:._\-#{_JS_SPACE}]+")

# --- Values ------------------------------------------------------------- limits-kvs-ce
VALUE_MAX_BYTES: Final = 240 * 1024
VALUE_MAX_DEPTH: Final = 31
# The secrets page still gives the older figure; the smaller one is right under both.
SECRET_MAX_BYTES: Final = 128 * 1024

# --- Attributes ------------------------------- storage-reference/entities-manifest
INTEGER_MIN: Final = -(2**31)
INTEGER_MAX: Final = 2**31 - 1
FLOAT_MIN_MAGNITUDE: Final = 1e-130
FLOAT_MAX_MAGNITUDE: Final = 9.999_999_999_999_998e125  # the last one below 1E+126
ATTRIBUTE_NAME_MAX: Final = 30
# The manifest's JSON schema is narrower than the page: no leading underscore.
ATTRIBUTE_NAME_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
ATTRIBUTES_MAX: Final = 50
# The service has such a list and does not publish it; these names collide with what it
# returns beside a value.
RESERVED_ATTRIBUTES: Final = frozenset(
    {"key", "value", "entityName", "createdAt", "updatedAt", "expireTime"}
)

# --- Entities and indexes --------------------- storage-reference/entities-manifest
ENTITIES_MAX: Final = 20
ENTITY_NAME_MIN: Final = 3
ENTITY_NAME_MAX: Final = 60
ENTITY_NAME_PATTERN: Final = re.compile(r"(?![_.\-])(?!.*\.{2})[a-z0-9:\-_.]*(?<!\.)")
INDEXES_MAX: Final = 7
INDEX_NAME_MIN: Final = 3
INDEX_NAME_MAX: Final = 50
INDEX_NAME_PATTERN: Final = re.compile(r"(?!\.)(?!.*\.{2})[A-Za-z0-9:\-_.]*(?<!\.)")
BY_KEY: Final = "by-key"
PARTITION_VALUES_MAX_BYTES: Final = 1700
RANGE_VALUE_MAX_BYTES: Final = 900

# --- Queries ------------------------ storage-reference/entities-api-query, kvs-api-query
PAGE_DEFAULT: Final = 10
PAGE_MAX: Final = 100
CONDITIONS_MAX: Final = 100

# --- Batches and transactions -- storage-reference/entities-batch, entities-transactions
BATCH_MAX_ITEMS: Final = 25
TRANSACTION_MAX_ITEMS: Final = 25
PAYLOAD_MAX_BYTES: Final = 4 * 1024 * 1024

# --- Time to live ------------------------------------------- storage-reference/kvs-api
TTL_MAX_SECONDS: Final = 365 * 24 * 60 * 60
TTL_DELETION_LAG_SECONDS: Final = 48 * 60 * 60

# --- Capacity, per installation ----------------------------------------- limits-kvs-ce
REQUESTS_PER_SECOND: Final = 1000
UNIT_BYTES: Final = 10 * 1024
READ_UNITS_PER_MINUTE: Final = 4000
WRITE_UNITS_PER_MINUTE: Final = 4000
