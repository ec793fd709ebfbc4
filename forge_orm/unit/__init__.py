"""The unit of work: identity map, change tracking, and the plan of what to write."""

from .cascade import CASCADE as CASCADE
from .cascade import Deletion as Deletion
from .cascade import Reach as Reach
from .cascade import Target as Target
from .doubts import Address as Address
from .doubts import Doubt as Doubt
from .doubts import Rows as Rows
from .doubts import Verdict as Verdict
from .doubts import judge_all as judge_all
from .events import CommitEvent as CommitEvent
from .events import WriteEvent as WriteEvent
from .identity import Name as Name
from .plan import Atomic as Atomic
from .plan import PlannedCall as PlannedCall
from .plan import WriteItem as WriteItem
from .plan import WritePlan as WritePlan
from .unit import UnitOfWork as UnitOfWork
