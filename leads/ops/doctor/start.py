"""The one finding when the settings do not load. Plain Python, because Django is not set up then."""

from leads.ops.doctor.finding import Finding, error

# By a word in the error's message, which names the variable and never contains a secret.
CURES = {
    "public": "Remove it, and make a new secret: pages that were built with it may have shown it.",
    "service key": "Copy the secret key (Supabase: Project settings, API keys), not the publishable or anon one.",
    "PRICE_BOOK": "Correct each place in the file (docs/price-book.md), or leave PRICE_BOOK out for the bundled book.",
    "PRIVACY_NOTICE": "Correct the file, or leave PRIVACY_NOTICE out for the bundled example.",
}
SET_IT = "Correct it, in the environment or in .env; the site does not start until then."


def refused(message: str) -> Finding:
    """Return the finding for a start that failed. message: that of the ImproperlyConfigured."""
    first, *rest = [line.strip() for line in message.splitlines()]
    found = f"{first} {'; '.join(rest)}".strip()
    return error("start", found, next((cure for word, cure in CURES.items() if word in message), SET_IT))
