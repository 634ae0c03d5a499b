"""Templates, held in memory from the start."""

from pathlib import Path
from typing import Any

from django.template import Origin, TemplateDoesNotExist
from django.template.loaders.app_directories import Loader as AppDirectoriesLoader


class Loader(AppDirectoriesLoader):
    """Reads the templates of the project and of all apps once, when the engine starts.

    Django's own loaders read each when it is first needed: a process whose files are being replaced would mix the
    templates of two releases.
    """

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self._sources = {
            str(path): path.read_text(encoding="utf-8")
            for directory in self.get_dirs()
            for path in Path(directory).rglob("*.*")
            if path.suffix in (".html", ".txt", ".xml", ".svg", ".js") and path.is_file()
        }

    def get_dirs(self) -> Any:
        return (*self.engine.dirs, *super().get_dirs())

    def get_contents(self, origin: Origin) -> str:
        try:
            return self._sources[origin.name]
        except KeyError:
            raise TemplateDoesNotExist(str(origin)) from None
