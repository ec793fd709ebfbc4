"""Queries as values, and their one-way compilation to the service's JSON."""

from .compile import compile_conditions as compile_conditions
from .compile import compile_query as compile_query
from .compile import rows_to_read as rows_to_read
from .query import Query as Query
from .query import QuerySpec as QuerySpec
from .query import RangeQuery as RangeQuery
from .query import check_conditions as check_conditions
from .question import Bounds as Bounds
from .question import EntityQuestion as EntityQuestion
from .question import Question as Question
from .question import shown as shown
from .search import Search as Search
from .search import SearchSpec as SearchSpec
from .selection import Column as Column
from .selection import Selection as Selection
