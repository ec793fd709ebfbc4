"""The embedded store: what Forge does, over SQLite, in this process."""

from .backend import LocalBackend as LocalBackend
from .engine import Engine as Engine
from .readings import LENIENT as LENIENT
from .readings import STRICT as STRICT
from .readings import Readings as Readings
