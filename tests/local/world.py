"""`World`: an embedded store spoken to in raw requests, and a clock that tests move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from forge_orm.local import STRICT, LocalBackend, Readings
from forge_orm.schema import AttributeType, EntitySchema, IndexSchema
from forge_orm.wire import Request, Tenant

T0 = 1_800_000_000.0
"""When every world begins."""

HOUR, DAY = 3600, 86400

BOOK = EntitySchema(
    "book",
    {
        "title": AttributeType.STRING,
        "shelf": AttributeType.STRING,
        "pages": AttributeType.INTEGER,
        "price": AttributeType.FLOAT,
        "lent": AttributeType.BOOLEAN,
        "notes": AttributeType.ANY,
    },
    {
        "title": IndexSchema("title", "title", simple=True),
        "pages": IndexSchema("pages", "pages", simple=True),
        "price": IndexSchema("price", "price", simple=True),
        "lent": IndexSchema("lent", "lent", simple=True),
        "by_shelf": IndexSchema("by_shelf", "pages", ("shelf",)),
        "by_shelf_lent": IndexSchema("by_shelf_lent", "title", ("shelf", "lent")),
    },
)
PLANT = EntitySchema(
    "plant",
    {"name": AttributeType.STRING},
    {"name": IndexSchema("name", "name", simple=True)},
)

Answer = tuple[int, Any]
"""A status and the JSON of the body (None where it is empty)."""


class World:
    """A store with the entities ``book`` and ``plant``."""

    def __init__(self, path: str | Path = ":memory:", readings: Readings = STRICT) -> None:
        self.now = T0
        self.schemas, self.index_delay = [BOOK, PLANT], 300.0
        self.backend = LocalBackend(
            path,
            schemas=lambda: self.schemas,
            readings=readings,
            clock=lambda: self.now,
            index_delay=self.index_delay,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.backend.close()

    def declare(self, *schemas: EntitySchema) -> None:
        """Change what is declared."""
        self.schemas = list(schemas)

    def raw(self, operation: str, body: bytes, tenant: str | None = None) -> Answer:
        """Send *body* as it is."""
        given = None if tenant is None else Tenant(installation=tenant)
        response = self.backend.send(Request(operation, body, tenant=given))
        if response.body:
            assert response.headers["content-type"] == "application/json; charset=utf-8"
        return response.status, json.loads(response.body) if response.body else None

    def call(self, operation: str, body: Any, tenant: str | None = None) -> Answer:
        """Send *body* as JSON."""
        return self.raw(operation, json.dumps(body).encode(), tenant)

    def refused(self, operation: str, body: Any) -> tuple[int, str]:
        """Send what must be refused; return the status and the code."""
        status, answer = self.call(operation, body)
        assert status >= 400, f"{operation} was not refused: {answer}"
        assert answer["message"]
        return status, answer["code"]

    def put(self, key: str, value: dict[str, Any], **options: Any) -> Answer:
        """Set a book."""
        body: dict[str, Any] = {"entityName": "book", "key": key, "value": value}
        return self.call("entity/set", {**body, **({"options": options} if options else {})})

    def take(self, key: str, *metadata: str) -> Any:
        """Return the answer to the get of a book; None where there is none."""
        body = {"entityName": "book", "key": key, "options": {"metadataFields": metadata}}
        status, answer = self.call("entity/get", body)
        assert status == (200 if "value" in answer else 404)
        return answer if status == 200 else None

    def pages(self, index: str, **query: Any) -> list[list[str]]:
        """Run a query of books to its end; return the keys of each page."""
        body = {"entityName": "book", "indexName": index, **query}
        return [[row["key"] for row in page] for page in self.walk("entity/query", body)]

    def keys(self, index: str, **query: Any) -> list[str]:
        """Run a query of books to its end; return every key."""
        return [key for page in self.pages(index, **query) for key in page]

    def walk(
        self, operation: str, body: dict[str, Any], tenant: str | None = None
    ) -> list[list[Any]]:
        """Follow the cursors of a query; return the rows of each page."""
        field = "after" if operation == "query" else "cursor"
        pages: list[list[Any]] = []
        while len(pages) < 500:
            status, answer = self.call(operation, body, tenant)
            assert status == 200, answer
            pages.append(answer["data"])
            if "cursor" not in answer:
                return pages
            body = {**body, field: answer["cursor"]}
        raise AssertionError("the cursors never end")
