"""A class body becomes a schema: types, inheritance, generics, aliases, computed fields."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Generic, Literal, NewType, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    BaseModel,
    EmailStr as EmailStr,
    Field,
    HttpUrl,
    PositiveInt,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    computed_field,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType

from forge_orm import Attr, DeclarationError, Entity, Registry, attr, index
from forge_orm.schema import AttributeType

from .declaring import entity
