"""The embedded store: what Forge does, over SQLite, in this process."""

from .backend import LocalBackend as LocalBackend
from .engine import Engine as Engine
from .readings import FAST as FAST
from .readings import LENIENT as LENIENT
from .readings import PROFILES as PROFILES
from .readings import STRICT as STRICT
from .readings import SWITCHES as SWITCHES
from .readings import Readings as Readings
from .readings import read_readings as read_readings
