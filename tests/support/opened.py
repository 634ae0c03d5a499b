"""Records which files of a release a gunicorn worker opens after its fork.

A program that starts with `variables()` loads this module as Python's sitecustomize.
"""

import os
import sys
from pathlib import Path

NOTES = "FILES_OPENED"


def variables(directory: Path) -> dict[str, str]:
    """Return variables for a site's environment; `read` returns what its workers have opened."""
    (directory / "sitecustomize.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    return {"PYTHONPATH": str(directory), NOTES: str(directory / "opened")}


def read(directory: Path) -> set[str]:
    notes = directory / "opened"
    return set(notes.read_text().splitlines()) if notes.exists() else set()


def _record() -> None:
    if "gunicorn.arbiter" not in sys.modules:
        return
    roots = (f"{os.getcwd()}/", f"{Path(sys.modules['gunicorn'].__file__).parents[1]}/")
    notes = os.open(os.environ[NOTES], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(path := arguments[0], str) and path.startswith(roots):
            os.write(notes, f"{path}\n".encode())

    sys.addaudithook(hook)


if __name__ == "sitecustomize" and NOTES in os.environ:
    os.register_at_fork(after_in_child=_record)
