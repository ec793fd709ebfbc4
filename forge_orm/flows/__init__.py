"""Every conversation with the service, written once for both colours."""

from .core import Errand as Errand
from .core import Flow as Flow
from .core import HookedFlow as HookedFlow
from .core import Outcome as Outcome
from .core import Page as Page
from .core import RoundTrip as RoundTrip
from .core import perform as perform
from .core import perform_all as perform_all
from .meter import Clock as Clock
from .meter import Meter as Meter
from .walk import Batch as Batch
from .walk import Walk as Walk
from .writes import FlushReport as FlushReport
