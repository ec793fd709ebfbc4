"""Declaring entities: from a class body to an `EntityMapping` and its service schema."""

from ..schema import declare_source
from .attributes import Attr as Attr
from .attributes import attr as attr
from .attributes import ref as ref
from .attributes import version as version
from .entity import Entity as Entity
from .entity import Metadata as Metadata
from .hooks import Hook as Hook
from .hooks import after as after
from .hooks import before as before
from .indexes import index as index
from .kinds import UnknownKind as UnknownKind
from .mapping import EntityMapping as EntityMapping
from .references import Ref as Ref
from .registry import Registry as Registry
from .registry import default_registry as default_registry
from .reverses import Reverse as Reverse
from .reverses import reverse as reverse
from .uniques import unique as unique

declare_source(default_registry.schemas)
