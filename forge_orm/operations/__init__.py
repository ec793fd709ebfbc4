"""The 15 endpoints, each as an inert `Operation`: a request and how to read its response.

Nothing outside this package knows a path or a field name of the wire.
"""

from .batch import BatchItem as BatchItem
from .batch import BatchOutcome as BatchOutcome
from .batch import batch_delete as batch_delete
from .batch import batch_get as batch_get
from .batch import batch_set as batch_set
from .core import Operation as Operation
from .core import Setting as Setting
from .core import Stored as Stored
from .core import StoredSecret as StoredSecret
from .entity import entity_delete as entity_delete
from .entity import entity_get as entity_get
from .entity import entity_query as entity_query
from .entity import entity_set as entity_set
from .keyvalue import Space as Space
from .keyvalue import delete as delete
from .keyvalue import get as get
from .keyvalue import query as query
from .keyvalue import set as set
from .transaction import Check as Check
from .transaction import Write as Write
from .transaction import signed as signed
from .transaction import transaction as transaction
