"""What staff type about a person: the next step, the amount of a sale, a reason, a colleague."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads import customer, phones
from leads.customer import FieldRefused
from leads.inbox.person import steps
from leads.models import BY_STAFF, Absence, FollowUp, Lead
from leads.models.follow_up import MOST_WORTH
from quoter import site
from quoter.engine.numbers import decimal_places
from quoter.shop.table.numbers import NotANumber, number
from quoter.shop.values import shop

MOST_PLACES = 2
# Further ahead, nobody plans; a year with a typing error is.
LONGEST = timedelta(days=3 * 365)


class AmountField(forms.CharField):
    """An amount as people write it: 130,663.53 or $130,663.53."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            amount = Decimal(number(text[:40]))
        except NotANumber:
            raise ValidationError(_("Write the amount like this: 1,234.50.")) from None
        if not 0 < amount < MOST_WORTH or decimal_places(amount) > MOST_PLACES:
            raise ValidationError(_("Write the amount like this: 1,234.50."))
        return amount


class PersonForm(forms.Form):
    """A form of the person's page. All of them are sent together, by whichever button is tapped."""

    use_required_attribute = False

    def __init__(self, *args: Any, lead: Lead, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.lead = lead


class StepForm(PersonForm):
    """When something is due, and in a few words what. Without a time, there is no next step any more."""

    at = forms.DateTimeField(required=False)  # of a button with a time
    day = forms.DateTimeField(
        label=_("Another day"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "form": "tap"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": _("Choose a day and an hour.")},
    )
    step = forms.CharField(
        label=_("What"),
        required=False,
        widget=forms.TextInput(attrs={"form": "tap", "autocomplete": "off"}),
        validators=[MaxLengthValidator(FollowUp.MOST_CHARACTERS, _("%(limit_value)d characters fit: shorten it."))],
    )

    def clean_day(self) -> datetime | None:
        day: datetime | None = self.cleaned_data["day"]
        if day and not timezone.now() < day < timezone.now() + LONGEST:
            raise ValidationError(_("Choose a day and an hour that are still to come."))
        if day is None and "save" in self.data:
            raise ValidationError(_("Choose a day and an hour."))
        return day

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        return given | {"at": given.get("at") or given.get("day")}


class SoldForm(PersonForm):
    amount = AmountField(
        label=_("For how much, with tax?"),
        widget=forms.TextInput(attrs={"form": "tap", "inputmode": "decimal", "autocomplete": "off"}),
        error_messages={"required": _("Write the amount.")},
    )


class LostForm(PersonForm):
    reason = forms.CharField(label=_("Why?"), error_messages={"required": _("Choose a reason.")})

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        if reason not in shop.REASONS:
            raise ValidationError(_("The shop's list has no such reason any more: choose another one."))
        return reason


class AsideForm(PersonForm):
    reason = forms.ChoiceField(
        label=_("Why?"),
        choices=[(value, label) for value, label in Lead.SetAside.choices if value in BY_STAFF],
        error_messages={"required": _("Choose a reason."), "invalid_choice": _("Choose a reason.")},
    )


class ColleagueField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A colleague, by name; who is away comes last, and says until when."""

    def label_from_instance(self, user: Any) -> str:
        name: str = user.get_full_name() or user.get_username()
        if not user.is_away:
            return name
        return f"{name} ({steps.away_until(user.absence)})"


class HandForm(PersonForm):
    to = ColleagueField(
        label=_("Give to"),
        queryset=User.objects.none(),
        widget=forms.Select(attrs={"form": "tap"}),
        error_messages={"required": _("Choose a colleague."), "invalid_choice": _("Choose a colleague.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        away = Absence.objects.on(timezone.now().astimezone(site.zone()).date()).filter(user=OuterRef("pk"))
        found = sellers().annotate(is_away=Exists(away)).select_related("absence")
        self.fields["to"].queryset = found.order_by("is_away", "first_name", "username")  # type: ignore[attr-defined]


class JoinForm(PersonForm):
    """The other person, by a folio or a phone of theirs."""

    other = forms.CharField(
        label=_("Folio or phone of the other"),
        widget=forms.TextInput(attrs={"form": "tap", "autocomplete": "off"}),
        error_messages={"required": _("Write one.")},
    )

    def clean_other(self) -> Lead:
        text: str = self.cleaned_data["other"].strip()[:100]
        found = Lead.objects.filter(phone__gt="").without_quotes()
        lead = found.filter(folio=text.upper()).first() or found.of_phones([text]).order_by("-created_at").first()
        if lead is None:
            raise ValidationError(_("Nobody has this folio or phone: copy it whole."))
        return lead


class CorrectForm(PersonForm):
    """Name and phone as they should be. One that is not changed stays as it is stored, however it is written."""

    new_name = forms.CharField(
        label=_("Name"),
        widget=forms.TextInput(attrs={"form": "tap", "autocomplete": "off"}),
        error_messages={"required": _("Write the customer's name.")},
    )
    new_phone = forms.CharField(
        label=_("Phone"),
        widget=forms.TextInput(attrs={"form": "tap", "autocomplete": "off", "inputmode": "tel"}),
        error_messages={"required": _("Write the phone with 10 digits or more.")},
    )

    def clean_new_name(self) -> str:
        typed: str = self.cleaned_data["new_name"]
        return typed if typed == self.lead.name.strip() else _checked(customer.name, typed)

    def clean_new_phone(self) -> str:
        typed: str = self.cleaned_data["new_phone"]
        if typed == self.lead.phone.strip():
            return self.lead.phone
        return phones.normalise(_checked(customer.phone, typed), region=phones.region_of(shop.WHATSAPP_NUMBER))


def _checked(check: Callable[[str], str], typed: str) -> str:
    try:
        return check(typed)
    except FieldRefused as refused:
        raise ValidationError(for_sellers(refused)) from None


def for_sellers(refused: FieldRefused) -> str:
    """Return an error of a field in the words for a seller, who types of somebody else."""
    words = {
        customer.NO_NAME: _("Write the customer's name."),
        customer.SHORT_PHONE: _("Write the phone with 10 digits or more."),
    }
    return str(words.get(refused.text) or refused.text.in_(site.language()))


def sellers() -> Any:
    """Return who may have customers: everybody who can log in and mark them as contacted."""
    may = Q(is_superuser=True) | Q(groups__permissions__codename="contact_lead")
    may |= Q(user_permissions__codename="contact_lead")
    return User.objects.filter(may, is_staff=True, is_active=True).distinct().order_by("first_name", "username")
