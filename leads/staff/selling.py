"""Who may quote for customers, in which name, and how large a discount they may give."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser, User

from quoter.shop.values import shop

QUOTE = "leads.quote_lead"
# Whose limit is that of managers, and who has none.
AS_MANAGER, ANY = "leads.discount_as_manager", "leads.discount_any"
# Nobody gives a job away by a slip of the finger.
MOST = Decimal("0.99")


class Seller(NamedTuple):
    """name: as customers read it on a quote; most: the largest discount they may give, as a fraction; 0 for none."""

    name: str
    most: Decimal

    def as_text(self) -> str:
        return json.dumps([self.name, str(self.most)])

    @classmethod
    def of_text(cls, text: str) -> Seller | None:
        try:
            name, most = json.loads(text)
            return cls(str(name), Decimal(most))
        except (ValueError, TypeError, ArithmeticError):
            return None


def seller_of(user: User | AnonymousUser) -> Seller | None:
    """Return the seller that a user is; None for one who may not quote."""
    if not user.has_perm(QUOTE):
        return None
    full_name = user.get_full_name() if isinstance(user, User) else ""
    return Seller(full_name or user.get_username(), most_of(user))


def most_of(user: User | AnonymousUser) -> Decimal:
    if user.has_perm(ANY):
        return MOST
    most: Decimal = shop.MANAGER_DISCOUNT if user.has_perm(AS_MANAGER) else shop.SELLER_DISCOUNT
    return min(most, MOST)
