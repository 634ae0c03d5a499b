from django.conf import settings
from django.core.checks import Error, Warning, register

ADVICE = "The part of README.md on deployment shows what it looks like."


@register
def database_url(app_configs, **kwargs):
    """Report a DATABASE_URL that cannot be used; an error only before a deploy, since the site runs without it."""
    if settings.DATABASE_FAULT:
        return [Warning(settings.DATABASE_FAULT, hint=ADVICE, id="leads.W001")]
    return [Warning(text, hint=ADVICE, id="leads.W002") for text in settings.DATABASE_WARNINGS]


@register(deploy=True)
def database_url_before_a_deploy(app_configs, **kwargs):
    return [Error(settings.DATABASE_FAULT, hint=ADVICE, id="leads.E001")] if settings.DATABASE_FAULT else []
