"""Makes a photo of the shop small and bare, as a program of its own: `python -m quoter.shop.photo < in > out.webp`.

It keeps no place, time or camera of the photo. A separate program keeps Pillow, and what a broken picture does to it,
out of the site.
"""

import sys
from io import BytesIO
from itertools import product

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 40_000_000
# The longer side. It is shown 600 px wide, on screens with two pixels for each.
SIDES = (1200, 800, 500)
LARGEST = 150_000  # bytes, so that a phone has it in a second
QUALITIES = (80, 65, 50)


def small(photo: bytes) -> bytes:
    """Return the photo as WebP of at most LARGEST bytes; OSError or ValueError for what is no photo."""
    with Image.open(BytesIO(photo), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise ValueError("has too many pixels")
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    for side, quality in product(SIDES, QUALITIES):
        upright.thumbnail((side, side))
        written = BytesIO()
        upright.save(written, "WEBP", quality=quality)
        if written.tell() <= LARGEST:
            return written.getvalue()
    raise ValueError("does not get small enough")


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(small(sys.stdin.buffer.read()))
    except Exception as error:  # broad: whatever Pillow finds, this program's answer is that it is no photo
        sys.exit(type(error).__name__)
