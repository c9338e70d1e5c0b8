"""Why the inventory refuses a request. The API turns each class into a status: `api.problems`."""

from __future__ import annotations

from typing import Self


class InventoryError(Exception):
    """A request that cannot be met: a sentence, and the field at fault where it is one field's."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field

    def within(self, path: str) -> Self:
        """Say the same of a part of a larger request."""
        return type(self)(self.detail, f"{path}.{self.field}" if self.field else path)


class Invalid(InventoryError):
    """What was asked for makes no sense, here or anywhere."""


class Clash(InventoryError):
    """Something else has what was asked for."""


class NotFound(InventoryError):
    """There is nothing of that name."""


class InUse(InventoryError):
    """It cannot go while others need it."""
