"""Every conversation with the service, written once for both colours."""

from .core import Flow as Flow
from .core import Outcome as Outcome
from .core import Page as Page
from .core import RoundTrip as RoundTrip
from .core import perform as perform
from .core import perform_all as perform_all
from .reads import Question as Question
from .reads import Walk as Walk
from .search import SearchWalk as SearchWalk
from .writes import FlushReport as FlushReport
