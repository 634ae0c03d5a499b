# What the owner publishes. A new table only.

import django.db.models.functions.datetime
from django.db import migrations, models

# A version is what customers were promised, so no program rewrites one. Only the withdrawal of one that has not begun
# is added later.
_IMMUTABLE = """
CREATE FUNCTION shop_published_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.withdrawn_at IS NULL AND OLD.starts_at > statement_timestamp()
        AND (to_jsonb(NEW) - 'withdrawn_at' - 'withdrawn_by') = (to_jsonb(OLD) - 'withdrawn_at' - 'withdrawn_by')
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a published version is never changed or deleted';
END $$;
CREATE TRIGGER shop_published_stays BEFORE UPDATE OR DELETE ON shop_published
FOR EACH ROW EXECUTE FUNCTION shop_published_stays();
"""
_MUTABLE = """
DROP TRIGGER shop_published_stays ON shop_published;
DROP FUNCTION shop_published_stays();
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Published",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.TextField(choices=[("prices", "Prices"), ("details", "Details")])),
                ("content", models.TextField()),
                ("starts_at", models.DateTimeField(null=True)),
                (
                    "published_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("published_by", models.TextField()),
                ("note", models.TextField(db_default="", default="")),
                ("repeats", models.BigIntegerField(null=True)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("withdrawn_by", models.TextField(db_default="", default="")),
            ],
            options={
                "db_table": "shop_published",
                "default_permissions": (),
                "permissions": [("change_shop", "Can change the shop's settings")],
                "indexes": [models.Index(fields=["kind", "-id"], name="shop_published_newest")],
            },
        ),
        migrations.CreateModel(
            name="DraftCell",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.TextField(choices=[("prices", "Prices"), ("details", "Details")])),
                ("path", models.TextField()),
                ("text", models.TextField()),
                ("was", models.TextField()),
                ("by", models.TextField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "shop_draft_cells",
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("kind", "path"), name="shop_draft_cell")],
            },
        ),
        migrations.RunSQL(_IMMUTABLE, _MUTABLE),
    ]
