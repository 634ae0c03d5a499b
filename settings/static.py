"""Static files under names that change with their content, so that browsers may keep each for good."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also names the modules that a script imports: a page never mixes the scripts of two releases."""

    support_js_module_import_aggregation = True
