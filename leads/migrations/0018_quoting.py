# Permissions to quote for customers. It changes no table, and the release before does not know them.

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("leads", "0017_put_aside")]
    operations = [
        migrations.AlterModelOptions(
            name="lead",
            options={
                "permissions": [
                    ("contact_lead", "Can mark a lead as contacted, or restore one"),
                    ("export_lead", "Can export leads"),
                    ("quote_lead", "Can quote for a customer"),
                    ("discount_as_manager", "Can give the manager's discount"),
                    ("discount_any", "Can give any discount"),
                    ("change_price_book", "Can change the price book"),
                ],
                "verbose_name": "lead",
                "verbose_name_plural": "leads",
            },
        ),
    ]
