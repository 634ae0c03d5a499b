# Postgres compresses rows over 2 kB, as those of leads are. Its own pglz takes a quarter of an insert's CPU; lz4 takes
# a fraction of that, for 13 % more bytes (docs/performance.md). A Postgres built without lz4, such as the embedded one,
# leaves rows up to 8 kB as they are. Rows that are there already stay as they are.

from django.db import migrations

from leads.ops.adoption import rows_of

# enumvals: the methods that this server was built with.
HAS_LZ4 = "SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
IS_PARTITIONED = "SELECT 1 FROM pg_class WHERE oid = 'leads'::regclass AND relkind = 'p'"


def compress_quickly(apps, editor):
    if rows_of(editor.connection.alias, HAS_LZ4, []):
        editor.execute("ALTER TABLE leads ALTER COLUMN quote_data SET COMPRESSION lz4")
    elif not rows_of(editor.connection.alias, IS_PARTITIONED, []):  # only partitions could have the parameter
        editor.execute("ALTER TABLE leads SET (toast_tuple_target = 8160)")


def compress_as_before(apps, editor):
    if rows_of(editor.connection.alias, HAS_LZ4, []):
        editor.execute("ALTER TABLE leads ALTER COLUMN quote_data SET COMPRESSION default")
    elif not rows_of(editor.connection.alias, IS_PARTITIONED, []):
        editor.execute("ALTER TABLE leads RESET (toast_tuple_target)")


class Migration(migrations.Migration):
    dependencies = [("leads", "0013_other_programs")]

    operations = [migrations.RunPython(compress_quickly, compress_as_before)]
