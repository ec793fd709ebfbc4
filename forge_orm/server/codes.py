"""The error codes the local Forge answers, each with its status and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .. import limits


class Code(NamedTuple):
    """An error code: the status it comes with, and when."""

    status: int
    when: str


CODES: Final[Mapping[str, Code]] = {
    "BAD_REQUEST": Code(400, "The body is no JSON, or not of the form described here."),
    "KEY_TOO_SHORT": Code(400, "The key is empty."),
    "KEY_TOO_LONG": Code(400, f"The key has over {limits.KEY_MAX_CHARACTERS} characters."),
    "INVALID_KEY": Code(400, "The key is blank or holds a character keys may not have."),
    "ENTITY_TYPE_TOO_SHORT": Code(
        400, f"The entity's name has under {limits.ENTITY_NAME_MIN} characters."
    ),
    "ENTITY_TYPE_TOO_LARGE": Code(
        400, f"The entity's name has over {limits.ENTITY_NAME_MAX} characters."
    ),
    "INVALID_ENTITY_TYPE": Code(400, "No entity can have this name."),
    "SCHEMA_NOT_FOUND": Code(404, "The manifest declares no such entity."),
    "MAX_SIZE": Code(
        400,
        f"A value is over {limits.VALUE_MAX_BYTES} bytes of JSON, or the payload of a batch "
        f"or transaction over {limits.PAYLOAD_MAX_BYTES}.",
    ),
    "MAX_DEPTH": Code(400, f"A value is nested over {limits.VALUE_MAX_DEPTH} levels deep."),
    "INCORRECT_PROPERTY_TYPE": Code(400, "An attribute is not of its declared type."),
    "INVALID_ENTITY_VALUE": Code(
        400, "An attribute is undeclared, null, blank, or too long for an index."
    ),
    "INVALID_ENTITY_ATTRIBUTE": Code(400, "An attribute has a name the service reserves."),
    "INVALID_TTL": Code(400, "The time to live is no positive integer, or over one year."),
    "INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION": Code(
        400, "returnValue and returnMetadataFields need the key policy OVERRIDE."
    ),
    "KEY_NOT_FOUND": Code(404, "Nothing is stored under the key."),
    "KEY_CONFLICT": Code(409, "The key exists, and the key policy is FAIL_IF_EXISTS."),
    "LIST_QUERY_LIMIT_EXCEEDED": Code(400, f"The limit is not 1 to {limits.PAGE_MAX}."),
    "QUERY_WHERE_INVALID": Code(400, "There is more than one where clause."),
    "QUERY_WHERE_FIELD_INVALID": Code(400, "A where clause takes the property key only."),
    "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE": Code(
        400, f"The limit is not 1 to {limits.PAGE_MAX}."
    ),
    "INVALID_CURSOR": Code(400, "The cursor is not one of this query."),
    "INVALID_ENTITY_INDEX": Code(400, "The entity has no such index."),
    "INVALID_PARTITION": Code(400, "The partition is not one value per attribute of it."),
    "INVALID_FILTER_CONDITION": Code(400, "The condition cannot be used here."),
    "INVALID_FILTER_VALUES": Code(400, "The values are too many, too few, or of another type."),
    "INSUFFICIENT_FILTER_VALUES": Code(400, "BETWEEN needs two values."),
    "EMPTY_FILTER_OPERATOR": Code(400, "and, or holds no condition."),
    "INVALID_FILTER_OPERATORS_COMBINATION": Code(400, "and and or cannot be combined."),
    "UNPROCESSABLE_ENTITY": Code(
        422,
        "A condition names an attribute of type any, or a transaction has over "
        f"{limits.TRANSACTION_MAX_ITEMS} items.",
    ),
    "TOO_MANY_BATCH_ENTITIES": Code(400, f"There are over {limits.BATCH_MAX_ITEMS} items."),
    "KEY_DUPLICATION_ERROR": Code(400, "A key occurs twice."),
    "INVALID_TRANSACTION_REQUEST": Code(400, "None of set, delete and check says anything."),
    "CONDITIONAL_CHECK_FAILED": Code(400, "A condition was false; nothing was written."),
    "UNAUTHORIZED": Code(401, "The credentials are missing or malformed."),
    "FORBIDDEN": Code(403, "Storage belongs to the app, and the call was made for a user."),
    "PAYLOAD_TOO_LARGE": Code(413, "The body is larger than any call's may be."),
    "UNSUPPORTED_MEDIA_TYPE": Code(415, "The content type is not application/json."),
    "RATE_LIMIT_EXCEEDED": Code(429, "Too many requests; wait and try again."),
    "TOO_MANY_REQUESTS": Code(429, "Too many transactions; wait and try again."),
    "REQUEST_THROTTLED": Code(429, "Too much was read or written; wait and try again."),
    "INTERNAL_SERVER_ERROR": Code(500, "The service failed."),
    "SERVICE_UNAVAILABLE": Code(503, "The service cannot be reached."),
}
