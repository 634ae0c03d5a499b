"""What filters the list besides its tab: set by hand in a form, by a tap on a source, or by a number of the desk.

All of it stands in the address, is said above the list, and each part is removed with one tap. What has no index is
looked for among the first MOST_READ leads of the tab, so that a list never takes too long.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import DecimalField, Func, Q, TextField, Value
from django.db.models.expressions import OrderBy
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, NullIf
from django.http import HttpRequest, QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads import snapshot
from leads.inbox.person.forms import AmountField, sellers
from leads.inbox.tabs import ORDER, TAB, tab_of
from leads.models import Lead, LeadOutcome, LeadQuerySet
from quoter import site
from quoter.engine.numbers import money

# Each of these leads is read whole.
MOST_READ = 20_000
SELLER, SINCE, UNTIL, LEAST, MOST = "seller", "since", "until", "least", "most"
PRODUCT, OUTCOME, SOURCE, CAMPAIGN, WITHOUT = "product", "outcome", "source", "campaign", "without"
NAMES = (SINCE, UNTIL, SELLER, LEAST, MOST, PRODUCT, SOURCE, CAMPAIGN, WITHOUT, OUTCOME)
# What the desk's links filter by besides: which leads a number counts at all, and those of one number each.
_UNSAID = ("phone__gt", "set_aside__exact")
_OF_LINKS = {
    "phone__exact": _("Without phone"),
    "arrived_at__lte": _("Longer than promised"),
    "id__in": _("Restored from the chat"),
}
# Of sellers: nobody has answered yet, or another program did, which has no user here.
NOBODY, ELSEWHERE = "nobody", "elsewhere"
_JSON = {PRODUCT: snapshot.PRODUCT, CAMPAIGN: snapshot.SOURCE}


class Said(NamedTuple):
    """A filter in words. names: its parameters."""

    names: tuple[str, ...]
    text: Any


class Amount(Func):
    """An amount that is written as a plain number; NULL for any other text, which another program may have written."""

    template = r"substring(%(expressions)s from '^[0-9]{1,14}(?:\.[0-9]{1,10})?$')::numeric"
    output_field = DecimalField(max_digits=30, decimal_places=10)


class HostOf(Func):
    """The host of an address."""

    template = "substring(%(expressions)s from '://([^/]*)')"
    output_field = TextField()


def _day(label: Any) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget, error_messages={"invalid": _("Choose a day.")})


def _amount(label: Any) -> AmountField:
    return AmountField(label=label, required=False, widget=forms.TextInput(attrs={"inputmode": "decimal"}))


class FilterForm(forms.Form):
    """The filters that are set by hand, as typed. What is wrong finds nothing, and is said at its field."""

    use_required_attribute = False

    seller = forms.CharField(label=_("Answered by"), required=False, widget=forms.Select())
    outcome = forms.CharField(label=_("Outcome"), required=False, widget=forms.Select())
    since = _day(_("Quoted from"))
    until = _day(_("to"))
    least = _amount(_("Total from"))
    most = _amount(_("to"))
    product = forms.CharField(label=_("Product"), required=False, widget=forms.Select())
    source = forms.CharField(label=_("Source"), required=False, max_length=200)

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given, auto_id="filter-%s", label_suffix="")
        self.fields[SELLER].widget.choices = self._choices(SELLER, _sellers())
        self.fields[OUTCOME].widget.choices = self._choices(OUTCOME, dict(LeadOutcome.Kind.choices))
        self.fields[PRODUCT].widget.choices = self._choices(PRODUCT, _products())

    def clean_since(self) -> date | None:
        return _plausible(self.cleaned_data[SINCE])

    def clean_until(self) -> date | None:
        return _plausible(self.cleaned_data[UNTIL])

    def _choices(self, name: str, known: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the choices of a field, with what the address has: a link of the desk may name others."""
        given = self.data.get(name, "")
        also = {given: seller_name(given) if name == SELLER else given} if given and given not in known else {}
        return [("", _("All")), *known.items(), *also.items()]


def _plausible(day: date | None) -> date | None:
    if day and day.year not in snapshot.YEARS:
        raise ValidationError(_("Choose a day."))
    return day


def _sellers() -> dict[str, Any]:
    named = {str(user.pk): user.get_full_name() or user.get_username() for user in sellers()}
    return {**named, NOBODY: _("Nobody yet")}


def _products() -> dict[str, Any]:
    return {product.code: product.label.in_(site.language()) for product in site.price_book().products}


def seller_name(key: str) -> str:
    """Return the name of a seller in an address; what it says when it names none."""
    if key in (NOBODY, ELSEWHERE):
        return gettext("Nobody yet") if key == NOBODY else gettext("Answered with another program")
    user = User.objects.filter(pk=key).first() if key.isdecimal() and len(key) < 10 else None
    return (user.get_full_name() or user.get_username()) if user else key


class HandFilter(admin.ListFilter):
    """All filters of the form as one filter of the admin, which shows none itself."""

    title = _("filters")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.given = {name: params.pop(name)[-1] for name in NAMES if name in params}
        self.used_parameters = dict(self.given)
        self.form = FilterForm(self.given)
        self.form.is_valid()
        self.values: dict[str, Any] = {
            name: self.form.cleaned_data.get(name) if name in self.form.fields else text
            for name, text in self.given.items()
        }
        self.is_cut = False

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(NAMES)

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield from ()

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        if self.form.errors:  # a download of what was not meant would be worse than nothing
            nothing: LeadQuerySet = queryset.none()
            return nothing
        indexed: LeadQuerySet = queryset.filter(self._indexed())
        condition = self._read()
        if not condition:
            return indexed
        first = _first(indexed, tab_of(request).ordering)
        self.is_cut = first != Q()
        read: LeadQuerySet = indexed.alias(quoted=Amount(KT(snapshot.TOTAL)), came_from=source()).filter(
            first, condition
        )
        return read

    def _indexed(self) -> Q:
        condition, zone = Q(), site.zone()
        if since := self.values.get(SINCE):
            condition &= Q(created_at__gte=datetime.combine(since, time(), zone))
        if until := self.values.get(UNTIL):
            condition &= Q(created_at__lt=datetime.combine(until + timedelta(days=1), time(), zone))
        if seller := self.values.get(SELLER):
            condition &= _answered_by(seller)
        if outcome := self.values.get(OUTCOME):
            kind, _colon, reason = outcome.partition(":")
            condition &= Q(outcome__kind=kind, **({"outcome__reason": reason} if reason else {}))
        return condition

    def _read(self) -> Q:
        """Return the condition on what is inside the quotes; an empty one for none."""
        condition = Q()
        for name, path in _JSON.items():
            if value := self.values.get(name):
                condition &= Q(**{path: value})
            if self.values.get(WITHOUT) == name:
                condition &= Q(**{f"{path}__isnull": True})
        if source := self.values.get(SOURCE):
            condition &= Q(came_from=source)
        if least := self.values.get(LEAST):
            condition &= Q(quoted__gte=least)
        if most := self.values.get(MOST):
            condition &= Q(quoted__lte=most)
        return condition

    def said(self) -> Iterator[Said]:
        """Yield what filters the list, in words."""
        values = {name: value for name, value in self.values.items() if value}
        if SINCE in values or UNTIL in values:
            yield Said((SINCE, UNTIL), _days(values.get(SINCE), values.get(UNTIL)))
        if SELLER in values:
            yield Said((SELLER,), seller_name(values[SELLER]))
        if LEAST in values or MOST in values:
            yield Said((LEAST, MOST), _amounts(values.get(LEAST), values.get(MOST)))
        for name, label in ((PRODUCT, _("Product")), (SOURCE, _("Source")), (CAMPAIGN, _("Campaign"))):
            if name in values:
                known = _products() if name == PRODUCT else {}
                yield Said((name,), f"{label}: {known.get(values[name], values[name])}")
        if WITHOUT in values:
            yield Said((WITHOUT,), gettext("No campaign") if values[WITHOUT] == CAMPAIGN else gettext("No product"))
        if OUTCOME in values:
            kind, _colon, reason = values[OUTCOME].partition(":")
            label = dict(LeadOutcome.Kind.choices).get(kind, kind)
            yield Said((OUTCOME,), f"{label}: {reason}" if reason else str(label))


def of_list(params: Mapping[str, str], specs: Sequence[Any]) -> Iterator[Said]:
    """Yield in words all that filters a list, besides its tab. params: of its address; specs: its filters."""
    for spec in specs:
        if isinstance(spec, HandFilter):
            yield from spec.said()
        elif spec.parameter_name not in (TAB, ORDER) and spec.value():
            yield from (Said((spec.parameter_name,), title) for _value, title in spec.lookup_choices)
    own = {TAB, ORDER, SEARCH_VAR, *NAMES, *_UNSAID, *(getattr(spec, "parameter_name", "") for spec in specs)}
    for name, value in params.items():
        if name == "status__exact":
            yield Said((name,), dict(Lead.Status.choices).get(value, value))
        elif name not in own:
            yield Said((name,), _OF_LINKS.get(name, _("a filter of this address")))


def cleaned(address: QueryDict) -> QueryDict | None:
    """Return the address without filters that say nothing, as a form sends them; None when it has none of these."""
    empty = [name for name in NAMES if name in address and not str(address[name]).strip()]
    if not empty:
        return None
    kept = address.copy()
    for name in empty:
        del kept[name]
    return kept


def _answered_by(seller: str) -> Q:
    if seller == NOBODY:
        return Q(status=Lead.Status.NEW)
    if seller == ELSEWHERE:
        return Q(status=Lead.Status.CONTACTED, contacted_by=None)
    return Q(contacted_by=seller) if seller.isdecimal() and len(seller) < 10 else Q(pk__in=[])


def _first(queryset: LeadQuerySet, ordering: tuple[Any, ...]) -> Q:
    """Return the condition of the first MOST_READ leads; an empty one when there are no more."""
    by = ordering[0]
    if isinstance(by, OrderBy):
        column: Any = by.expression
        by = f"-{column.name}" if by.descending else column.name
    name = by.removeprefix("-")
    last = queryset.order_by(*ordering).values_list(name, flat=True)[MOST_READ : MOST_READ + 1]
    at = next(iter(last), None)
    return Q() if at is None else Q(**{f"{name}__{'lte' if by == name else 'gte'}": at})


def source() -> Coalesce:
    """Return the SQL of `snapshot.source_of`."""
    named = [NullIf(KT(path), Value("")) for path in snapshot.SOURCES]
    return Coalesce(*named, HostOf(KT(snapshot.REFERRER)), output_field=TextField())


def _days(since: date | None, until: date | None) -> str:
    words = [date_format(day, "SHORT_DATE_FORMAT") if day else "…" for day in (since, until)]
    return " – ".join(dict.fromkeys(words))


def _amounts(least: Decimal | None, most: Decimal | None) -> str:
    return " – ".join(money(amount) if amount else "…" for amount in (least, most))
