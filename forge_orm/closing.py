"""Closing: at the end of a block, and of what may have nothing to close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self


class Closing(ABC):
    """Closed at the end of its ``with`` or ``async with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Close."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close, awaiting."""

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes it, as `close` does."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return itself; leaving the block closes it, as `aclose` does."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close."""
        await self.aclose()


def close(held: Any) -> None:
    """Close what is held, if it can be closed."""
    if hasattr(held, "close"):
        held.close()


async def aclose(held: Any) -> None:
    """Close what is held, awaiting, if it can be closed so."""
    if hasattr(held, "aclose"):
        await held.aclose()
