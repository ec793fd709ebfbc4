"""The unit of work: identity map, change tracking, and the plan of what to write."""

from .plan import Atomic as Atomic
from .plan import PlannedCall as PlannedCall
from .plan import WriteItem as WriteItem
from .plan import WritePlan as WritePlan
from .unit import UnitOfWork as UnitOfWork
