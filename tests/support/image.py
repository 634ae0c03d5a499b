"""Builds and runs the Dockerfile without Docker: its own lines, in an empty root (bare_root.py)."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from tests.support.bare_root import PATH, PYTHON, BareRoot, bare_root
from tests.support.live import ROOT

DOCKERFILE = ROOT / "Dockerfile"
# What takes a minute; the tests' own libraries take its place.
INSTALLS = ("python -m venv", "pip install")
# `make image-test` gives a whole Debian and the libraries' wheels, and then everything is done as in the Dockerfile.
BASE = Path(os.environ["IMAGE_BASE"]) if "IMAGE_BASE" in os.environ else None
WHEELS = ROOT / "var" / "wheels"


class Image(NamedTuple):
    """The image, in a root that both stages share. The other fields are those of the Dockerfile."""

    root: BareRoot
    environment: dict[str, str]
    entrypoint: list[str]
    command: list[str]
    healthcheck: list[str]


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and their arguments."""
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def context(directory: Path) -> Path:
    """Copy what `docker build .` would send: all that .dockerignore does not name."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def ignored(folder: str, names: list[str]) -> list[str]:
        below = Path(folder).relative_to(ROOT)
        return [
            name
            for name in names
            if any(
                fnmatch(name, pattern[3:]) if pattern.startswith("**/") else fnmatch(str(below / name), pattern)
                for pattern in patterns
            )
        ]

    shutil.copytree(ROOT, directory, ignore=ignored, symlinks=True)
    return directory


@contextmanager
def image(directory: Path) -> Iterator[Image]:
    """Yield the built image. directory: an empty one, for the files that the build gets."""
    sent = (context(directory / "context"), "/context")
    if BASE:
        binds, given = [sent, (WHEELS, "/wheels")], {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    else:
        binds, given = [sent, (PYTHON[1], "/venv")], {}
    with bare_root(binds=binds, base=BASE or Path("/")) as root:
        environment, workdir = {"PATH": PATH}, "/"
        entrypoint, command, healthcheck = [], [], []
        for name, arguments in instructions(DOCKERFILE.read_text()):
            if name == "ENV":
                pairs = re.findall(r"(\w+)=(\S+)", arguments)
                environment |= {key: value.replace("$PATH", environment["PATH"]) for key, value in pairs}
            elif name == "WORKDIR":
                workdir = arguments
                root.run("mkdir", "-p", workdir)
            elif name == "COPY" and not arguments.startswith("--from="):
                *sources, target = arguments.split()
                copy = f"mkdir -p {workdir} && cd /context && cp -a --parents {' '.join(sources)} {workdir}/{target}"
                root.run("sh", "-c", copy)
            elif name == "RUN" and (BASE or not arguments.startswith(INSTALLS)):
                root.run("sh", "-c", f"cd {workdir} && {arguments}", environment=environment | given)
            elif name == "ENTRYPOINT":
                entrypoint = json.loads(arguments)
            elif name == "CMD":
                command = json.loads(arguments)
            elif name == "HEALTHCHECK":
                healthcheck = json.loads(arguments.partition("CMD ")[2])
        yield Image(root, environment, entrypoint, command, healthcheck)
