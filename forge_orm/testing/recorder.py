"""`Recorder`: a backend that writes down the calls that pass through it, as `Calls`."""

from __future__ import annotations

from ..calls import Calls
from ..observe import Watch
from ..wire import AsyncBackend, Backend


class Recorder(Watch):
    """Answers from *backend*, in either colour, and writes each call down in *calls*.

    `forge_orm.capture` lists what a block of code asks of any backend; this what reaches one,
    whoever asks. Below a backend that tries again, each attempt is a call.
    """

    def __init__(self, backend: Backend | AsyncBackend, calls: Calls | None = None) -> None:
        """Wrap *backend*."""
        self.calls = Calls() if calls is None else calls
        super().__init__(backend, self.calls.add)

    def __repr__(self) -> str:
        """Show the backend."""
        return f"Recorder({self.backend!r})"
