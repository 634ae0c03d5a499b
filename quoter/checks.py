from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import Error, Warning, register
from django.utils import timezone

from quoter import site


@register
def tax_is_in_force(app_configs, **kwargs):
    """Warn when no tax of the price book covers today: the nearest one is applied, which may be the wrong rate."""
    today = timezone.localdate()
    return [
        Warning(
            f"PRICE_BOOK has no tax for {today}; {tax.name} {tax.rate} is applied.",
            hint="Add the tax that is in force to the book.",
            id="quoter.W001",
        )
        for tax in site.price_book().taxes_on(today)
        if today < tax.start or (tax.end is not None and tax.end < today)
    ]


@register(deploy=True)
def catalogues_are_compiled(app_configs, **kwargs):
    """Warn when a translation is not compiled."""
    sources = [po for path in settings.LOCALE_PATHS for po in path.glob("*/LC_MESSAGES/*.po")]
    stale = [po for po in sources if not po.with_suffix(".mo").exists()]
    return [
        Warning(
            f"The catalogue of {po.parent.parent.name} is not compiled, so its pages are in English.",
            hint="Run bin/compile-catalogues when the site is built.",
            id="quoter.W002",
        )
        for po in stale
    ]


@register(deploy=True)
def static_files_can_be_served(app_configs, **kwargs):
    """Refuse a release whose static files cannot be read, or refer to one that is missing: it would not start."""
    try:
        staticfiles_storage.count()
    except (OSError, ValueError) as fault:
        found = f"The site does not start with its static files: {' '.join(str(fault).split())}"
        return [Error(found, hint="Correct the file, or deploy the release again.", id="quoter.E001")]
    return []
