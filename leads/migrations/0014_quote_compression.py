# Postgres compresses rows over 2 kB, as those of leads are. Its own pglz takes a quarter of an insert's CPU; lz4 takes
# a fraction of that, for 13 % more bytes (docs/performance.md). A Postgres built without lz4, such as the embedded one,
# goes on as before. Rows that are there already stay as they are.

from django.db import migrations

from leads.ops.adoption import rows_of

# enumvals: the methods that this server was built with.
HAS_LZ4 = "SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"


def compress_by(method):
    def change(apps, editor):
        if rows_of(editor.connection.alias, HAS_LZ4, []):
            editor.execute(f"ALTER TABLE leads ALTER COLUMN quote_data SET COMPRESSION {method}")

    return change


class Migration(migrations.Migration):
    dependencies = [("leads", "0013_other_programs")]

    operations = [migrations.RunPython(compress_by("lz4"), compress_by("default"))]
