"""Static files with a hash of their content in their names, so that browsers may cache each one indefinitely."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also rewrites the imports between scripts, so that a page never mixes the scripts of two releases."""

    support_js_module_import_aggregation = True
