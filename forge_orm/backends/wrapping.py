"""What backends around a backend have in common: its colours, and closing it."""

from __future__ import annotations

from ..closing import Closing, aclose, close
from ..errors import ConfigurationError
from ..wire import AsyncBackend, Backend


class Wrapping(Closing):
    """A backend of either colour around another one, of one colour or both."""

    def __init__(self, backend: Backend | AsyncBackend) -> None:
        """Wrap *backend*."""
        self._backend = backend
        self._sending = backend if isinstance(backend, Backend) else None
        self._asending = backend if isinstance(backend, AsyncBackend) else None

    @property
    def _blocking(self) -> Backend:
        if self._sending is None:
            raise ConfigurationError(f"{self._backend!r} has no send: await asend instead")
        return self._sending

    @property
    def _awaiting(self) -> AsyncBackend:
        if self._asending is None:
            raise ConfigurationError(f"{self._backend!r} has no asend: call send instead")
        return self._asending

    def close(self) -> None:
        """Close the wrapped backend, where it can be closed."""
        close(self._backend)

    async def aclose(self) -> None:
        """Close the wrapped backend, where it can be closed."""
        await aclose(self._backend)


async def wait(seconds: float) -> None:
    """Wait, awaiting; who only blocks does not pay for importing asyncio."""
    from asyncio import sleep

    await sleep(seconds)
