"""What processes do while they are recorded. A scene has lives, one after the other; a life has processes, at once.

A process takes its steps, and is then killed, unless its last step is "stop":

    ["ask", [[folio, phone, name], ...]]    customers, each on a thread of its own; without a phone it is a quote
    ["sql", statement]                      on Postgres, by somebody else
    ["delivered"]                           wait until nothing waits on the disk
    ["refused", count]                      wait until so many records, or more, are in the quarantine, and none waits
    ["retry"]                               staff have the refused records tried again
    ["mess"]                                somebody appends a line that is no record to each journal
    ["obstruct"], ["clear"]                 put a file where the first directory has to be; remove it
    ["limit", bytes]                        no file may become longer; 0: any may
    ["stop"]                                end as a deploy does
"""

from typing import Any, NamedTuple

Steps = list[list[Any]]

AWAY = ["sql", "ALTER TABLE leads RENAME TO leads_away"]
BACK = ["sql", "ALTER TABLE leads_away RENAME TO leads"]
REFUSE = ["sql", "ALTER TABLE leads ADD CONSTRAINT no_red CHECK (name NOT LIKE 'Red%')"]
TAKE = ["sql", "ALTER TABLE leads DROP CONSTRAINT no_red"]


class Scene(NamedTuple):
    """lives: of each, the steps of its processes; inject: what strace has fail, as its option says it."""

    name: str
    lives: list[list[Steps]]
    inject: str = ""


def ask(first: int, count: int, *, name: str = "Name") -> list[Any]:
    """Return a step in which so many people come, one of them with a new quote, one twice, and one for another's."""
    people = [[f"F{number:04}", f"+52656{number:07}", f"{name} {number}"] for number in range(first, first + count)]
    people[-1][1:] = ["", ""]
    if count > 3:
        people[1] = [people[0][0], people[0][1], f"{name} {first} again"]
        people[2][0] = people[0][0]
    return ["ask", people]


SCENES = [
    Scene("a first start", [[[ask(1, 5), ask(11, 3), ["delivered"], ask(21, 4)]], [[["delivered"], ["stop"]]]]),
    Scene(
        "an outage",
        [
            [[AWAY, ask(1, 4), ask(11, 4), ask(21, 4), BACK, ["delivered"], ask(31, 3), ["stop"]]],
            [[ask(41, 3), ["delivered"], ["stop"]]],
        ],
    ),
    Scene(
        "killed in an outage",
        [
            [[AWAY, ask(1, 5), ask(11, 3)]],
            [[ask(21, 3)]],
            [[BACK, ["delivered"], ask(31, 2)]],
            [[["delivered"], ["stop"]]],
        ],
    ),
    Scene(
        "refused",
        [
            [[REFUSE, ask(1, 3), ask(11, 3, name="Red"), ["refused", 2], ask(21, 2)]],
            [[["refused", 2], ask(41, 2), ["delivered"]]],
            [[["retry"], ["refused", 2], TAKE, ask(31, 2), ["retry"], ["delivered"], ["stop"]]],
        ],
    ),
    Scene(
        "the spare directory",
        [
            [[["obstruct"], AWAY, ask(1, 4), ["clear"], ask(11, 3), ask(21, 3), BACK, ["delivered"], ask(31, 2)]],
            [[["delivered"], ["stop"]]],
        ],
    ),
    Scene(
        "a full disk",
        [
            [[AWAY, ask(1, 3), ["limit", 2500], ask(11, 5), ask(21, 5), ["limit", 0], ask(31, 3)]],
            [[BACK, ["delivered"], ["stop"]]],
        ],
    ),
    Scene(
        "a damaged journal",
        [[[AWAY, ask(1, 4), ask(11, 3)]], [[["mess"], ask(21, 3), BACK, ["delivered"]]], [[["delivered"], ["stop"]]]],
    ),
    Scene(
        "two processes",
        [
            [[ask(1, 4), ask(11, 4), ask(21, 3)], [ask(101, 4), ask(111, 4), ask(121, 4), ["delivered"], ["stop"]]],
            [[["delivered"], ["stop"]], [ask(131, 3), ["stop"]]],
        ],
    ),
    Scene(
        "syncs that fail",
        [[[AWAY, ask(1, 3), ask(11, 3), ask(21, 4), ask(31, 3), BACK, ["delivered"]]], [[["delivered"], ["stop"]]]],
        inject="fdatasync:error=EIO:when=2..3",
    ),
]


def named(name: str) -> Scene:
    return next(scene for scene in SCENES if scene.name == name)
