# Statistics for the lists of a product or a source (leads/ops/estimates.py). No lock stops anybody: staff and customers
# go on while Postgres looks at 30,000 rows.

from django.db import migrations

from leads.ops import estimates
from leads.ops.partitions import months


def tables(using):
    return [each.table for each in months.partitions(using)] or [months.TABLE]


def create(apps, editor):
    using = editor.connection.alias
    for table in tables(using):
        estimates.create(using, table)
        editor.execute(f"ANALYZE {table}")


def drop(apps, editor):
    using = editor.connection.alias
    for table in tables(using):
        estimates.drop(using, table)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0018_quoting")]

    operations = [migrations.RunPython(create, drop)]
