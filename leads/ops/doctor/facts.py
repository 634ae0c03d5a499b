"""Says what customers read of the shop, and what they would miss."""

from collections.abc import Iterator

from leads.ops.doctor.finding import Finding, ok
from quoter import brand
from quoter.shop.values import facts


def examine() -> Iterator[Finding]:
    said = facts("es")
    of_shop = {
        "address": said.address,
        "area": said.area,
        "what the price includes": said.included,
        "lead time": said.lead_time,
        "payment": said.payment,
        "questions": said.questions,
        "logo": brand.logo(),
    }
    missing = ", ".join(name for name, value in of_shop.items() if not value)
    if missing:
        yield ok("facts", f"customers would miss {missing}; an owner sets them in the admin")
    else:
        yield ok("facts", "customers read who sells, where, and what the price includes")
