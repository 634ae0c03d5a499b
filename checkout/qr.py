"""A QR code of a chat, for whoever looks at a quote on a computer and has WhatsApp on the phone. Plain Python."""

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from qrcode import QRCode
from qrcode.constants import ERROR_CORRECT_L

# With more, a phone at arm's length cannot tell the squares of a code apart that fits beside the form.
MOST_CHARACTERS = 700
_MARGIN = 4


class Code(NamedTuple):
    """size: of the picture, in squares; path: an SVG path along the dark ones, to be drawn one square wide."""

    size: int
    path: str


@lru_cache(maxsize=64)
def code(url: str) -> Code | None:
    """Return the code of a URL; None when it is too long to be scanned from a screen."""
    if len(url) > MOST_CHARACTERS:
        return None
    # One mask for all: to try the eight of them takes eight times as long, and each can be read.
    squares = QRCode(error_correction=ERROR_CORRECT_L, border=_MARGIN, mask_pattern=0)
    squares.add_data(url)
    squares.make(fit=True)
    rows = squares.get_matrix()
    return Code(len(rows), "".join(_row(number, row) for number, row in enumerate(rows)))


def _row(number: int, row: list[bool]) -> str:
    # Relative, because the lengths repeat and the places do not, which halves the compressed page.
    runs = [(is_dark, len(list(squares))) for is_dark, squares in groupby(row)]
    return f"M0 {number}" + "".join(f"h{length}" if is_dark else f"m{length} 0" for is_dark, length in runs)
