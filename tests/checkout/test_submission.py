import pytest

from checkout.submission import OrderSubmission, SubmissionRefused
from leads.customer import NAME, PHONE

A_SUBMISSION = {"token": "the token", "name": "Zoila Vaca", "phone": "656 765 4321"}

NO_NAME = "Enter your name."
LONG_NAME = "Your name is too long: up to 120 characters."
ODD_NAME = "Your name has characters that we cannot store. Please type it again."
SHORT_PHONE = "Enter at least 10 digits, for example 656 123 4567."
LONG_PHONE = "Your phone is too long: up to 30 characters."
ODD_PHONE = "Enter your phone with digits only, no emoji or symbols."
NO_TOKEN = "The quote is missing. Please price it again."
NOT_TEXT = "We could not read this."


def submission(**changes) -> OrderSubmission:
    return OrderSubmission.read(A_SUBMISSION | changes, (NAME, PHONE))


def refusals(sent: dict) -> list[tuple[str, str]]:
    """Read a submission that must be refused; return each wrong field with its message in English."""
    with pytest.raises(SubmissionRefused) as refused:
        OrderSubmission.read(sent, (NAME, PHONE))
    return [(error.field, error.message.en) for error in refused.value.errors]


def refusal(**changes) -> list[tuple[str, str]]:
    return refusals(A_SUBMISSION | changes)


def test_a_submission_is_read_as_it_was_sent():
    read = submission(privacy_accepted="on")
    assert (read.token, read.name, read.phone) == ("the token", "Zoila Vaca", "656 765 4321")
    assert read.privacy_accepted
    assert not read.website


# --- The name -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", " ", " \t\n ", "\u00a0", "\u200b", "\ufeff \u2060", "\u200d \u200c"])
def test_a_name_without_a_visible_character_is_refused(name):
    assert refusal(name=name) == [("name", NO_NAME)]


def test_a_name_of_120_characters_is_the_longest():
    assert submission(name="ñ" * 120).name == "ñ" * 120
    assert refusal(name="ñ" * 121) == [("name", LONG_NAME)]


def test_characters_removed_from_a_name_do_not_count_for_its_length():
    assert submission(name=f"  {'ñ' * 120}\u200b \n").name == "ñ" * 120


@pytest.mark.parametrize("odd", ["\x00", "\ud83d"])
def test_a_name_that_postgres_cannot_keep_is_refused(odd):
    assert refusal(name=f"Zoila{odd}Vaca") == [("name", ODD_NAME)]


def test_space_around_and_within_a_name_is_tidied():
    assert submission(name="  Zoila   Vaca \n").name == "Zoila Vaca"
    assert submission(name="Zoila\u00a0Vaca\u2028Gómez").name == "Zoila Vaca Gómez"
    assert submission(name="Zoila\tVaca\r\nGómez\x85Ruiz").name == "Zoila Vaca Gómez Ruiz"
    assert submission(name="Zo\x1bila\x7f Vaca").name == "Zoila Vaca"


def test_a_name_is_kept_composed():
    assert submission(name="Jose\u0301 Pen\u0303a").name == "José Peña"


@pytest.mark.parametrize(
    "name",
    [
        "María José Ñáñez",
        "O'Higgins-Pérez, Jr.",
        "李小龍",
        "محمد",
        "क्\u200dष",  # with a joiner
        "نامه\u200cای",  # with a non-joiner
        "Ana 👩\u200d👩\u200d👧",  # three emoji, joined
        "Ana \U0001fae9",  # an emoji that Python's Unicode tables do not have
        "\ue000",  # private use
        "*Ana* {name} %s <b>",
    ],
)
def test_a_name_of_any_script_is_kept(name):
    assert submission(name=name).name == name


@pytest.mark.parametrize("mark", ["\u202e", "\u202a", "\u2066", "\u200e", "\u200f", "\u200b", "\ufeff", "\xad"])
def test_invisible_characters_are_removed_from_a_name(mark):
    assert submission(name=f"{mark}Zoila{mark} Vaca{mark}").name == "Zoila Vaca"


# --- The phone ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", ["", "  ", "123", "656 123 456", "no phone", "+-(). ", "\u200b"])
def test_a_phone_of_fewer_than_ten_digits_is_refused(phone):
    assert refusal(phone=phone) == [("phone", SHORT_PHONE)]


@pytest.mark.parametrize(
    "phone",
    [
        "6561234567",
        "+52 1 (656) 123-4567",
        "656.123.4567 ext 12",
        "casa: 656/123/4567",
        "٦٥٦١٢٣٤٥٦٧",
        "656 555 O123",
        "⁶⁵⁶ ¹²³ ⁴⁵⁶⁷",
        "656−123−4567",
        "6561234567" + "1" * 20,  # 30 characters
    ],
)
def test_a_phone_is_kept_as_typed(phone):
    assert submission(phone=phone).phone == phone


def test_a_phone_of_30_characters_is_the_longest():
    assert refusal(phone="6561234567" + "1" * 21) == [("phone", LONG_PHONE)]
    assert submission(phone=f" {'1' * 30} \n").phone == "1" * 30


@pytest.mark.parametrize("odd", ["📞", "\x00", "\ud83d", "=", "~", "<"])
def test_a_phone_with_emoji_or_symbols_is_refused(odd):
    assert refusal(phone=f"656{odd}1234567") == [("phone", ODD_PHONE)]


def test_invisible_characters_are_removed_from_a_phone():
    assert submission(phone="\u202a+52 656 123 4567\u202c").phone == "+52 656 123 4567"
    assert submission(phone="656\ufe0f 123\ufe0d\t4567\n").phone == "656 123 4567"
    assert submission(phone="".join(f"{digit}\ufe0f\u20e3" for digit in "526561234567")).phone == "526561234567"
    assert submission(phone="Tele\u0301fono: 656 123 4567").phone == "Teléfono: 656 123 4567"


# --- Everything else ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["token", "name", "phone"])
@pytest.mark.parametrize("value", [6561234567, 1.5, True, False, 0, [], ["Zoila"], {}, {"es": "Zoila"}, b"Zoila"])
def test_a_value_that_is_not_text_is_refused_at_its_field(field, value):
    assert refusal(**{field: value}) == [(field, NOT_TEXT)]


MISSING = [("token", NO_TOKEN), ("name", NO_NAME), ("phone", SHORT_PHONE)]


@pytest.mark.parametrize("sent", [{}, {"token": None, "name": None, "phone": None}, {"token": "", "other": "x"}])
def test_missing_fields_are_reported(sent):
    assert refusals(sent) == MISSING


def test_all_wrong_fields_are_reported_together():
    sent = {"token": [], "name": "a" * 121, "phone": "123"}
    assert refusals(sent) == [("token", NOT_TEXT), ("name", LONG_NAME), ("phone", SHORT_PHONE)]


def test_a_refusal_is_in_both_languages():
    with pytest.raises(SubmissionRefused) as refused:
        OrderSubmission.read({"token": "", "name": "", "phone": "123"}, (NAME, PHONE))
    assert [error.message.es for error in refused.value.errors] == [
        "Falta la cotización. Vuelve a calcularla.",
        "Escribe tu nombre.",
        "Escribe tu teléfono a 10 dígitos, por ejemplo 656 123 4567.",
    ]


def test_a_refusal_does_not_repeat_what_was_typed():
    with pytest.raises(SubmissionRefused) as refused:
        OrderSubmission.read(A_SUBMISSION | {"phone": "6561234 Zoila"}, (NAME, PHONE))
    assert str(refused.value) == "phone"


@pytest.mark.parametrize("ticked", [True, "on", "ON", "true", "True", "1", "yes"])
def test_the_privacy_notice_is_accepted(ticked):
    assert submission(privacy_accepted=ticked).privacy_accepted is True


@pytest.mark.parametrize("unticked", [False, None, "", "off", "false", "0", "no", "maybe", 2, [], ["on"], {"on": True}])
def test_no_other_value_accepts_the_privacy_notice(unticked):
    assert submission(privacy_accepted=unticked).privacy_accepted is False


def test_a_submission_without_the_privacy_notice_has_not_accepted_it():
    assert submission().privacy_accepted is False


@pytest.mark.parametrize("filled", ["http://spam.example", "\ud83d", ["x"], {"x": 1}, 7, True])
def test_a_filled_honeypot_is_flagged_and_never_refused(filled):
    assert submission(website=filled).website is True


@pytest.mark.parametrize("empty", ["", None, [], {}, False])
def test_an_empty_honeypot_is_not_flagged(empty):
    assert submission(website=empty).website is False
