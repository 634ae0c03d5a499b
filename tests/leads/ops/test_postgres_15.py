"""Projects of Supabase that are older run on Postgres 15: their table is adopted there, closed, and works.

`make test-postgres-15` runs all tests of leads on it; these are for each run.
"""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from leads.delivery.record import lead_record
from leads.models import Lead
from leads.ops import supabase
from leads.ops.doctor import database as doctor
from leads.ops.doctor.finding import Level
from tests.support.adopted import SUPABASE_S_OWN_WAY, columns, every_byte, sql
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.lacking import postgres_with_tls
from tests.support.supabase import as_role, database, django_on, server

pytestmark = [pytest.mark.needs("postgres with TLS"), pytest.mark.long]

LIST = "/admin/leads/lead/"


def test_a_table_of_before_is_adopted_closed_and_worked_with(django_db_blocker):
    with (
        server(postgres_with_tls()) as postgres,
        database(postgres) as name,
        django_db_blocker.unblock(),
        django_on(postgres, name),
    ):
        sql(SUPABASE_S_OWN_WAY)
        theirs, count = columns(), len(sql("SELECT 1 FROM leads"))
        before = every_byte(theirs)
        call_command("migrate", verbosity=0)
        assert every_byte(theirs) == before
        assert len({folio for (folio,) in sql("SELECT folio FROM leads")}) == count
        assert [each for each in supabase.exposures() if each.relation == "public.leads"] == []
        with as_role(postgres, name, "service_role") as tool:
            tool.execute("INSERT INTO leads (name, phone, quote_data) VALUES ('Zoe', '6560000001', '{}')")

        issued = an_issued_quote()
        store(lead_record(issued, a_contact(name="María Peña")))
        client = Client()
        client.force_login(User.objects.create_superuser("seller", password="x"))
        assert sql("SELECT pg_column_compression(quote_data) FROM leads WHERE name = 'María Peña'") == [("lz4",)]
        lead = Lead.objects.get(folio=issued.quote.folio)
        assert lead.folio in client.get(LIST, {"q": "maria pena"}).content.decode()
        assert client.post(f"{LIST}{lead.pk}/contact/").status_code == 302
        for command in (["privacy", "export", lead.phone], ["audit_quotes"], ["daily"]):
            call_command(*command, stdout=StringIO(), stderr=StringIO())
        of_ours = [each for each in doctor.examine() if each.subject != "exposure"]  # their other tables are open
        assert [each for each in of_ours if each.level is Level.ERROR] == []
        call_command("privacy", "erase", lead.phone, "--yes", stdout=StringIO(), stderr=StringIO())
        assert not Lead.objects.exclude(phone="").filter(phone=lead.phone).exists()
