"""From any condition to the index queries that answer it, and what is left to do here.

Pure functions over values: nothing here asks the service.
"""

from __future__ import annotations

from .explain import Explanation
from .plan import ReadPlan, make_read_plan, plan_query

__all__ = ["Explanation", "ReadPlan", "make_read_plan", "plan_query"]
