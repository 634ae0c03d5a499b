"""The shop's two colours as its pages use them, each readable where it stands, by day and by night. Plain Python.

Contrast is WCAG 2.2's, which asks for 4.5 of text and 3 of other things.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

COLOR, ACCENT = "#0b5d4a", "#f2b441"
BLACK, WHITE = "#000000", "#ffffff"

SHAPE = 3.0


class Scheme(NamedTuple):
    """The neutral colours of site.css by day or by night. towards: what a colour is mixed with to stand out more."""

    paper: str
    card: str
    ink: str
    quiet: str
    towards: str
    tinted: float  # how much of the shop's colour a tinted surface has
    text: float  # the least contrast of coloured text; 4.5 tires the eye by night


DAY = Scheme(paper="#f5f4ef", card="#ffffff", ink="#1a211e", quiet="#57605b", towards=BLACK, tinted=0.08, text=4.5)
NIGHT = Scheme(paper="#101412", card="#1a201d", ink="#edf1ef", quiet="#adb7b2", towards=WHITE, tinted=0.14, text=6.0)


def palette(scheme: Scheme, color: str, accent: str) -> dict[str, str]:
    """Return the custom properties of a scheme that follow from the shop's colours. Colours are #rrggbb.

    brand: surfaces such as buttons, brand-ink: text on it; link: text and outlines on paper, card and tint; tint: a
    surface for what is chosen; mark: small surfaces that catch the eye, mark-ink: text on it.
    """
    tint = _mixed(scheme.card, color, scheme.tinted)
    surfaces = (scheme.paper, scheme.card, tint)
    # By day a pale button still has its dark text; by night a dark one would vanish.
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
    """Return the rules that put the shop's colours in the place of site.css's, but for paper."""
    day, night = (_rule(palette(scheme, color, accent)) for scheme in (DAY, NIGHT))
    return f"@media screen {{ {day} }}\n@media screen and (prefers-color-scheme: dark) {{ {night} }}\n"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 (none) to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _rule(properties: dict[str, str]) -> str:
    return f":root {{ {' '.join(f'--{name}: {value};' for name, value in properties.items())} }}"


def _ink_on(surface: str) -> str:
    return max(BLACK, WHITE, key=lambda ink: contrast(ink, surface))  # one of them always has 4.5


def _standing_out(color: str, surfaces: Iterable[str], least: float, towards: str) -> str:
    """Return the colour, mixed with as little of another as it takes to be seen on every surface."""
    return next(mixed for mixed in _steps(color, towards) if all(contrast(mixed, on) >= least for on in surfaces))


def _steps(color: str, towards: str) -> Iterator[str]:
    return (_mixed(color, towards, percent / 100) for percent in range(101))


def _mixed(color: str, other: str, part: float) -> str:
    channels = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(mine + (theirs - mine) * part):02x}" for mine, theirs in channels)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color.removeprefix("#")))


def _luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _parts(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(color: str) -> Iterator[float]:
    return (channel / 255 for channel in _channels(color))
