"""The form of filters, as staff fill it in."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads import snapshot
from leads.inbox.filters import ELSEWHERE, NOBODY, OUTCOME, PRODUCT, SELLER, SINCE, UNTIL
from leads.inbox.person.forms import AmountField, sellers
from leads.models import LeadOutcome
from quoter import site


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
        self.fields[PRODUCT].widget.choices = self._choices(PRODUCT, products())

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


def products() -> dict[str, Any]:
    return {product.code: product.label.in_(site.language()) for product in site.price_book().products}


def seller_name(key: str) -> str:
    """Return the name of a seller in an address; what it says when it names none."""
    if key in (NOBODY, ELSEWHERE):
        return gettext("Nobody yet") if key == NOBODY else gettext("Answered with another program")
    user = User.objects.filter(pk=key).first() if key.isdecimal() and len(key) < 10 else None
    return (user.get_full_name() or user.get_username()) if user else key
