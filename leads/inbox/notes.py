"""Notes on leads: the field in which staff write one, the newest for the list, and those that have some words."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from unicodedata import normalize

from django import forms
from django.contrib.auth.models import User
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from leads.customer.matching import MatchesWords, NoteWords
from leads.models import OLD_NOTE_WORDS, Lead, LeadEvent, LeadNote

# A text that the same person sends twice within this time, as with a second tap on the same page, is one note.
SAME_WITHIN = timedelta(minutes=10)
LONGEST_IN_LIST = 80
# A composed text is shorter by this factor at most.
MOST_TIMES_TOO_LONG = 4
# A search finds the leads of this many notes at most, the newest.
MOST_FOUND = 1_000


class NoteField(forms.CharField):
    """A text with one character for each line end and each accented letter, as it is counted and searched."""

    def to_python(self, value: Any) -> Any:
        text = value.replace("\r\n", "\n") if value else value
        # A text that is refused anyway is left as it is: many accents on one letter take the square of their number.
        is_composed = text and len(text) <= MOST_TIMES_TOO_LONG * LeadNote.MOST_CHARACTERS
        return super().to_python(normalize("NFC", text) if is_composed else text)


class NoteForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new note on a lead. The field belongs to the form of the lead's buttons, so each of them sends it too."""

    use_required_attribute = False  # the lead's other buttons work without a note

    note = NoteField(
        label=_("New note"),
        widget=forms.Textarea(attrs={"rows": 3, "form": "tap"}),
        error_messages={"required": _("Write the note first.")},
        validators=[
            MaxLengthValidator(
                LeadNote.MOST_CHARACTERS,
                _("The note has %(show_value)d characters, and %(limit_value)d fit: shorten it."),
            )
        ],
    )

    class Meta:
        model = Lead
        fields: tuple[str, ...] = ()

    def add_prefix(self, field_name: str) -> str:
        """Return the field's name in HTML: that of the last release, whose open pages may still be sent."""
        return "notes"

    def clean_note(self) -> str:
        """Return the note, or "" when an open page of the last release sends the old notes back unchanged."""
        text: str = self.cleaned_data["note"]
        return "" if text == (self.instance.notes or "").replace("\r\n", "\n").strip() else text


def add(lead: Lead, text: str, *, by: User, now: datetime) -> None:
    """Add a note to a lead with its event. Nothing is added for "", or when the same person added it just now."""
    if not text:
        return
    with transaction.atomic():
        Lead.objects.select_for_update(no_key=True).only("pk").get(pk=lead.pk)  # taps at the same time take turns
        if not lead.kept_notes.filter(author=by, text=text, at__range=(now - SAME_WITHIN, now + SAME_WITHIN)).exists():
            lead.kept_notes.create(author=by, text=text, at=now)
            LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.NOTED, actor=by, at=now)


def newest(leads: Sequence[Lead], of_people: Mapping[Any, str]) -> dict[Any, str]:
    """Return the beginning of the newest note of each person, by the person's key, and of each other lead by its own.

    of_people: the person of each of their leads.
    """
    texts = {of_people.get(lead.pk, lead.pk): lead.notes for lead in leads if lead.notes}
    of_leads = LeadNote.objects.filter(lead__in=[*of_people, *(lead.pk for lead in leads)]).order_by(
        "lead", "-at", "-pk"
    )
    kept = of_leads.distinct("lead").values_list("at", "pk", "lead", "text")
    for _at, _pk, lead, text in sorted(kept):
        texts[of_people.get(lead, lead)] = text
    return {key: _beginning(text) for key, text in texts.items()}


def of_person(leads: Sequence[Lead]) -> QuerySet[LeadNote]:
    """The notes on the leads of a person, the newest first."""
    kept = LeadNote.objects.filter(lead__in=[lead.pk for lead in leads])
    return kept.select_related("author").order_by("-at", "-pk")[:MOST_FOUND]


def lead_keys(query: str) -> list[Any]:
    """Return the keys of leads with a note that matches a query of `words_query`, those of the newest notes.

    Two queries, each with its index, because Postgres would read the whole table for one with OR.
    """
    kept = dict.fromkeys(kept_with(query).values_list("lead", flat=True)[:MOST_FOUND])
    return [*kept, *old_with(query).values_list("pk", flat=True)[:MOST_FOUND]]


# With these orders, Postgres either sorts a few matches, or reads the newest rows until enough of them match.


def kept_with(query: str) -> QuerySet[LeadNote]:
    return LeadNote.objects.filter(MatchesWords(NoteWords("text"), query)).order_by("-pk")


def old_with(query: str) -> QuerySet[Lead]:
    return Lead.objects.filter(MatchesWords(OLD_NOTE_WORDS, query), notes__gt="").order_by("-created_at", "-pk")


def _beginning(text: str) -> str:
    line = " ".join(text[: 10 * LONGEST_IN_LIST].split())
    return line if len(line) <= LONGEST_IN_LIST else line[: LONGEST_IN_LIST - 1].rstrip() + "…"
