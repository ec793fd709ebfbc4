"""The local Forge over HTTP: what a container's sidecar answers, answered here."""

from __future__ import annotations

from .asgi import ForgeApp as ForgeApp
from .run import Served as Served
from .run import serve as serve

__all__ = ["ForgeApp", "Served", "serve"]
