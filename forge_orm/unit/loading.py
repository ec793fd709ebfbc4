"""The reading half of a unit of work: answers become entities, one object for each key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import from_json

from ..errors import ForgeError
from ..model.entity import Entity, Origin, key_of, origin_of, read_metadata, set_key, set_origin
from ..model.mapping import EntityMapping
from ..operations.core import NONSENSE, nonsense
from ..wire import MetadataField
from .expiry import Now, metadata_of
from .identity import IdentityMap, of_kind

E = TypeVar("E", bound=Entity)


class Loading:
    """The entities that were read, and which of them were assigned to since."""

    def __init__(self, now: Now) -> None:
        """Start with nothing read; *now* tells what has expired."""
        self.now = now
        self.identity = IdentityMap()
        self._touched: dict[int, Entity] = {}

    def has_metadata(self, entity: Entity, fields: Iterable[MetadataField]) -> bool:
        """Whether *fields* of the metadata of *entity* were read."""
        known = metadata_of(entity)
        return known is not None and known.asked.issuperset(fields)

    def is_past(self, moment: datetime | None) -> bool:
        """Whether an expiry time has come."""
        return moment is not None and moment.timestamp() <= self.now()

    def load_row(self, cls: type[E], body: bytes, asked: Sequence[MetadataField] = ()) -> E:
        """Read the answer of a get that *asked* for metadata; raises `CorruptValue`."""
        mapping: EntityMapping[E] = cls.__forge__
        readers = mapping.readers
        try:
            row = (readers.row_with_metadata if asked else readers.row)(body)
        except ValidationError as error:
            raise _unreadable(mapping, error, body) from None
        if asked:
            return of_kind(cls, self._load(mapping, [row], body, asked)[0])
        # `_load`, for one: this is the read programs make most.
        key, entity, family = row["key"], row["value"], mapping.family
        set_key(entity, key)
        set_origin(entity, Origin(body, self._touched))
        if family is None:
            return cast("E", self.identity.admit_one(cls, key, entity))
        return of_kind(cls, self.identity.admit_one(family.root, key, entity))

    def load_page(
        self, cls: type[E], body: bytes, asked: Sequence[MetadataField] = ()
    ) -> tuple[Sequence[E], str | None]:
        """Read the answer of a query: the entities and the cursor; raises `CorruptValue`."""
        mapping: EntityMapping[E] = cls.__forge__
        readers = mapping.readers
        try:
            page = (readers.page_with_metadata if asked else readers.page)(body)
        except ValidationError as error:
            raise _unreadable(mapping, error, body, "data") from None
        entities = self._load(mapping, page["data"], body, asked)
        return entities, page.get("cursor")

    def load_batch(
        self, cls: type[E], body: bytes, asked: Sequence[MetadataField] = ()
    ) -> tuple[Sequence[E], list[dict[str, Any]]]:
        """Read the answer of a batch get: the entities and the failed rows."""
        mapping: EntityMapping[E] = cls.__forge__
        try:
            batch = mapping.readers.batch(body)
        except ValidationError as error:
            raise _unreadable(mapping, error, body, "successfulKeys") from None
        entities = self._load(mapping, batch["successfulKeys"], body, asked)
        return entities, batch["failedKeys"]

    def _load(
        self,
        mapping: EntityMapping[E],
        rows: list[Any],
        body: bytes,
        asked: Sequence[MetadataField],
    ) -> Sequence[E]:
        origin = Origin(body, self._touched)
        if asked:
            fields = frozenset(asked)
            origin.metadata = {row["key"]: read_metadata(row, fields) for row in rows}
        fresh: dict[str, Any] = {}
        for row in rows:
            key, entity = row["key"], row["value"]
            fresh[key] = entity
            set_key(entity, key)
            set_origin(entity, origin)
        root: type[Any] = mapping.cls.__forge_root__
        return cast("Sequence[E]", self.identity.admit(root, fresh))

    def adopt(self, entities: Sequence[E]) -> Sequence[E]:
        """Take in entities that another unit read; return the known object for a known key."""
        if not entities:
            return entities
        for entity in entities:
            if (origin := origin_of(entity)) is not None:
                origin.tracker = self._touched
        fresh: dict[str, Entity] = {str(key_of(entity)): entity for entity in entities}
        return cast("Sequence[E]", self.identity.admit(type(entities[0]).__forge_root__, fresh))


def _unreadable(
    mapping: EntityMapping[Any], error: ValidationError, body: bytes, rows: str | None = None
) -> ForgeError:
    """Name the first row that does not fit; one bad row fails its whole page.

    An answer that is not even of the documented shape is none at all.
    """
    try:
        row = from_json(body)
        if rows is not None:
            row = row[rows][error.errors()[0]["loc"][1]]
        return mapping.corrupt(error, row["key"])
    except NONSENSE:
        return nonsense(mapping.name, body)
