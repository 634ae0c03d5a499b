"""Makes the colours of the pages from the shop's two, readable in the light and the dark scheme. Plain Python.

Contrast is measured as in WCAG 2.2, which asks for 4.5 for text and 3 for other things.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

COLOR, ACCENT = "#0b5d4a", "#f2b441"
BLACK, WHITE = "#000000", "#ffffff"

SHAPE = 3.0


class Scheme(NamedTuple):
    """The neutral colours of site.css, light or dark. towards: the colour to mix with for more contrast."""

    paper: str
    card: str
    ink: str
    quiet: str
    towards: str
    tinted: float  # how much of the shop's colour a tinted surface has
    text: float  # the least contrast of coloured text; in the dark scheme, 4.5 is tiring to read


DAY = Scheme(paper="#f5f4ef", card="#ffffff", ink="#1a211e", quiet="#57605b", towards=BLACK, tinted=0.08, text=4.5)
NIGHT = Scheme(paper="#101412", card="#1a201d", ink="#edf1ef", quiet="#adb7b2", towards=WHITE, tinted=0.14, text=6.0)


def palette(scheme: Scheme, color: str, accent: str) -> dict[str, str]:
    """Return the custom properties of a scheme that follow from the shop's colours. Colours are #rrggbb.

    brand: surfaces such as buttons, brand-ink: text on it; link: text and outlines on paper, card and tint; tint: a
    surface for what is chosen; mark: small surfaces that catch the eye, mark-ink: text on it.
    """
    tint = _mixed(scheme.card, color, scheme.tinted)
    surfaces = (scheme.paper, scheme.card, tint)
    # In the light scheme a pale button is still seen by its dark text; in the dark one a dark button would vanish.
    brand = _standing_out(color, [scheme.card], SHAPE, scheme.towards) if scheme is NIGHT else color
    return {
        "brand": brand,
        "brand-ink": _ink_on(brand),
        "link": _standing_out(color, surfaces, scheme.text, scheme.towards),
        "tint": tint,
        "mark": accent,
        "mark-ink": _ink_on(accent),
    }


def stylesheet(color: str, accent: str) -> str:
    """Return the rules that replace the colours of site.css by the shop's, on screens but not on paper."""
    day, night = (_properties(palette(scheme, color, accent)) for scheme in (DAY, NIGHT))
    # On the pages of staff, Django's switch may say otherwise than the device.
    dark = f":root:not([data-theme=light]) {{ {night} }}"
    return (
        f"@media screen {{ :root {{ {day} }} :root[data-theme=dark] {{ {night} }} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 (none) to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _properties(properties: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in properties.items())


def _ink_on(surface: str) -> str:
    return max(BLACK, WHITE, key=lambda ink: contrast(ink, surface))  # one of the two always reaches 4.5


def _standing_out(color: str, surfaces: Iterable[str], least: float, towards: str) -> str:
    """Return the colour, mixed with just enough of `towards` to reach the least contrast on every surface."""
    return next(mixed for mixed in _steps(color, towards) if all(contrast(mixed, on) >= least for on in surfaces))


def _steps(color: str, towards: str) -> Iterator[str]:
    return (_mixed(color, towards, percent / 100) for percent in range(101))


def _mixed(color: str, other: str, part: float) -> str:
    channels = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(start + (end - start) * part):02x}" for start, end in channels)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color.removeprefix("#")))


def _luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _parts(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(color: str) -> Iterator[float]:
    return (channel / 255 for channel in _channels(color))
