"""The site with one more field of the customer's, for gunicorn and for browsers (behind_proxy.py says why)."""

from leads import customer
from quoter.engine.text import Text
from tests.support.behind_proxy import application  # noqa: F401  (for gunicorn)

FIELD = customer.optional_text("site_address", Text(es="Dirección de la obra", en="Site address"), most=60)
customer.OPTIONAL = (FIELD,)
