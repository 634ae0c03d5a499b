from django.conf import settings
from django.core.checks import Error, Warning, register
from django.db import DatabaseError

from leads.ops import hosts, shop_number, supabase

ADVICE = "docs/deploy.md shows what it looks like."


@register
def database_url(app_configs, **kwargs):
    """Warn of a DATABASE_URL that cannot be used; an error only before a deploy, because the site runs without it."""
    if settings.DATABASE_FAULT:
        return [Warning(settings.DATABASE_FAULT, hint=ADVICE, id="leads.W001")]
    return [Warning(text, hint=ADVICE, id="leads.W002") for text in settings.DATABASE_WARNINGS]


@register
def preload_without_subdomains(app_configs, **kwargs):
    """Warn of HSTS_PRELOAD alone: the browsers' lists take only sites whose subdomains are included."""
    if settings.SECURE_HSTS_PRELOAD and not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        return [Warning("HSTS_PRELOAD has no effect without HSTS_SUBDOMAINS.", hint=ADVICE, id="leads.W005")]
    return []


@register(deploy=True)
def database_url_before_a_deploy(app_configs, **kwargs):
    return [Error(settings.DATABASE_FAULT, hint=ADVICE, id="leads.E001")] if settings.DATABASE_FAULT else []


@register(deploy=True)
def host_names_before_a_deploy(app_configs, **kwargs):
    """Stop a deploy with which every customer would get a 400."""
    if wrong := hosts.malformed(settings.ALLOWED_HOSTS):
        found = f"ALLOWED_HOSTS has {wrong[0]!r}, which is no host name: whoever comes by it gets a 400."
        hint = f"Set ALLOWED_HOSTS={hosts.corrected(settings.ALLOWED_HOSTS)}"
        return [Error(found, hint=hint, id="leads.E002")]
    if not settings.DEBUG and sorted(settings.ALLOWED_HOSTS) == sorted(hosts.LOCAL):
        return [Error("ALLOWED_HOSTS is not set: every customer gets a 400.", hint=ADVICE, id="leads.E003")]
    return []


@register(deploy=True)
def whatsapp_number_before_a_deploy(app_configs, **kwargs):
    """Stop a deploy with which every customer's message would go to a stranger, or to nobody."""
    wrong = shop_number.fault(settings.WHATSAPP_NUMBER, has_plus=settings.WHATSAPP_HAS_PLUS, zone=settings.TIME_ZONE)
    if wrong is None:
        return []
    kind = Error if wrong.is_certain else Warning
    return [kind(f"{wrong.found}.", hint=wrong.cure, id="leads.E004" if wrong.is_certain else "leads.W006")]


@register(deploy=True)
def data_api_and_rights(app_configs, **kwargs):
    """Warn of what Supabase's data API exposes, and of rights that Django's database role lacks.

    They are only warnings, because the release step runs the checks before it migrates, and migrating closes Folio's
    tables. A database that is down is not reported here, and stops no deploy. The queries share one connection,
    because Supabase bans an address after a few wrong passwords.
    """
    try:
        exposed = [*supabase.exposures(), *supabase.exposed_functions()]
        missing = supabase.missing_rights()
    except DatabaseError:
        return []
    return [
        *(
            Warning(f"{each.relation} ({each.kind}): {each.problem}.", hint=each.cure, id="leads.W003")
            for each in exposed
        ),
        *(Warning(text, id="leads.W004") for text in missing),
    ]
