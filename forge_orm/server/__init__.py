"""The local Forge over HTTP: what a container's sidecar answers, answered here."""

from __future__ import annotations

from .admin import Admin
from .asgi import ForgeApp
from .run import Served, serve

__all__ = ["Admin", "ForgeApp", "Served", "serve"]
