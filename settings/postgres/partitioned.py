"""Migrations of a table that may be partitioned: Django's own operations work on it as on any other.

Postgres builds no index of a partitioned table concurrently, and takes no foreign key to a table whose id alone is not
unique, as it cannot be there. So an index is built on one partition after the other, and triggers keep the rule of a
foreign key: it refers to a row that exists, and when that row goes, it goes as well or prevents it.
"""

from typing import Any, cast

from django.db.backends.ddl_references import Statement
from django.db.backends.postgresql import schema
from django.db.models import Index, Model

# Triggers that act like a foreign key have the name that it had. tgattr has the column that refers, under any name.
# %(name)s etc. are filled in by Django.
_REFERENCE = (
    "CREATE CONSTRAINT TRIGGER %(name)s AFTER INSERT OR UPDATE OF %(column)s ON %(table)s FROM %(to_table)s"
    "%(deferrable)s FOR EACH ROW EXECUTE FUNCTION %(function)s('%(action)s')"
)

# {table}: the partitioned table, with its schema; {key}: its key; {exists}, {follow}: the two functions.
_FUNCTIONS = """
CREATE OR REPLACE FUNCTION {exists}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    referring name;
    wanted {table}.{key}%TYPE;
    is_left boolean;
BEGIN
    SELECT attname INTO referring FROM pg_trigger JOIN pg_attribute ON attrelid = tgrelid AND attnum = tgattr[0]
    WHERE tgrelid = TG_RELID AND tgname = TG_NAME;
    wanted := to_jsonb(NEW) ->> referring;
    IF wanted IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM {table} WHERE {key} = wanted FOR KEY SHARE;
    IF NOT FOUND THEN
        -- A row that was deleted again in this transaction refers to nothing.
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = $1)', TG_RELID::regclass, referring)
            INTO is_left USING wanted;
        IF is_left THEN
            RAISE foreign_key_violation USING CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, MESSAGE =
                format('a row of %s refers to one that is not in %s', TG_RELID::regclass, '{table}'::regclass);
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {follow}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    other regclass;
    referring name;
    is_left boolean;
BEGIN
    -- A row that moved to another partition is still there.
    IF TG_OP = 'DELETE' THEN
        PERFORM FROM {table} WHERE {key} = OLD.{key};
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    FOR other, referring IN
        SELECT tgrelid, attname FROM pg_trigger JOIN pg_attribute ON attrelid = tgrelid AND attnum = tgattr[0]
        WHERE tgfoid = '{exists}'::regproc
        AND (TG_OP = 'TRUNCATE' OR tgargs = convert_to(TG_ARGV[0], 'UTF8') || '\\x00')
    LOOP
        IF TG_OP = 'TRUNCATE' THEN
            EXECUTE format('DELETE FROM %s WHERE %I IS NOT NULL', other, referring);
        ELSIF TG_ARGV[0] = 'cascade' THEN
            EXECUTE format('DELETE FROM %s WHERE %I = $1', other, referring) USING OLD.{key};
        ELSE
            EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = $1)', other, referring)
                INTO is_left USING OLD.{key};
            IF is_left THEN
                RAISE foreign_key_violation USING TABLE = TG_TABLE_NAME, MESSAGE =
                    format('a row of %s is still referred to from %s', '{table}'::regclass, other);
            END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE TRIGGER references_cascade AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {follow}('cascade');
CREATE TRIGGER references_emptied AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {follow}();
CREATE CONSTRAINT TRIGGER references_refuse AFTER DELETE ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {follow}('refuse');
"""

# The partitions in which an index of the whole table is still missing. Schema and name, quoted.
_WITHOUT_INDEX = """
SELECT format('%%I.%%I', nspname, relname), nspname, relname FROM pg_inherits
JOIN pg_class c ON c.oid = inhrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE inhparent = to_regclass(%s) AND NOT EXISTS (
    SELECT FROM pg_inherits AS i JOIN pg_index ON indexrelid = i.inhrelid
    WHERE i.inhparent = to_regclass(%s) AND indrelid = c.oid
) ORDER BY 1
"""

_NAMESPACE = "SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = to_regclass(%s)"


class SchemaEditor(schema.DatabaseSchemaEditor):
    def add_index(self, model: type[Model], index: Index, concurrently: bool = False) -> None:
        if concurrently and self._is_partitioned(model._meta.db_table):
            self._add_index_by_partition(model, index)
        else:
            super().add_index(model, index, concurrently)

    def remove_index(self, model: type[Model], index: Index, concurrently: bool = False) -> None:
        super().remove_index(model, index, concurrently and not self._is_partitioned(model._meta.db_table))

    def add_field(self, model: type[Model], field: Any) -> None:
        related = field.remote_field and field.remote_field.model
        if related and self._is_partitioned(related._meta.db_table):
            # Without a way to write it beside the column, Django adds the foreign key by _create_fk_sql.
            self.sql_create_column_inline_fk = ""
        try:
            super().add_field(model, field)
        finally:
            self.__dict__.pop("sql_create_column_inline_fk", None)

    def replace_references(self, table: str, key: str) -> None:
        """Create what keeps references to a partitioned table. table, key: unquoted."""
        self.execute(_FUNCTIONS.format(**self._functions(table), table=self._qualified(table), key=key), None)

    def add_reference(
        self, table: str, column: str, *, to: str, name: str, cascades: bool, deferrable: bool = True
    ) -> None:
        """Let a column refer to a partitioned table. name: that of the foreign key; all of them unquoted."""
        quoted = self.quote_name
        parts = {"table": quoted(table), "column": quoted(column), "to_table": quoted(to), "name": quoted(name)}
        parts |= {"action": "cascade" if cascades else "refuse", "function": self._functions(to)["exists"]}
        parts["deferrable"] = " DEFERRABLE INITIALLY DEFERRED" if deferrable else ""
        self.execute(_REFERENCE % parts, None)

    def add_cascade(self, table: str, column: str, *, to: str, name: str) -> None:
        """Let rows go with the one that they refer to by its `id`, also when other programs delete it.

        to: a table that may be partitioned; all names unquoted.
        """
        if self._is_partitioned(to):
            self.add_reference(table, column, to=to, name=name, cascades=True, deferrable=False)
            return
        table, column, to, name = map(self.quote_name, (table, column, to, name))
        refers = f"FOREIGN KEY ({column}) REFERENCES {to} (id) ON DELETE CASCADE"
        self.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {refers}", None)

    def _create_fk_sql(self, model: type[Model], field: Any, suffix: str) -> Statement:
        statement: Statement = super()._create_fk_sql(model, field, suffix)  # type: ignore[misc]  # the stubs lack it
        table = field.target_field.model._meta.db_table
        if self._is_partitioned(table):
            statement.template = _REFERENCE
            statement.parts |= cast(Any, {"action": "refuse", "function": self._functions(table)["exists"]})
        return statement

    def _add_index_by_partition(self, model: type[Model], index: Index) -> None:
        """Build an index concurrently on each partition. After an interruption, it goes on where it was stopped."""
        table, quoted = model._meta.db_table, self.quote_name
        statement: Any = index.create_sql(model, self)
        statement.template = statement.template.replace("INDEX %(name)s ON", "INDEX IF NOT EXISTS %(name)s ON ONLY")
        self.execute(statement, None)
        for partition, namespace, name in self._rows(_WITHOUT_INDEX, [quoted(table), quoted(index.name)]):
            part = f"{quoted(namespace)}.{quoted(f'{name}_{index.name}'[:63])}"
            # What an interruption left is not valid.
            self.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {part}", None)
            of_part: Any = index.create_sql(model, self, concurrently=True)
            of_part.parts |= {"table": partition, "name": quoted(f"{name}_{index.name}"[:63])}
            self.execute(of_part, None)
            self.execute(f"ALTER INDEX {quoted(index.name)} ATTACH PARTITION {part}", None)

    def _is_partitioned(self, table: str) -> bool:
        # Statements that are only collected are for any database.
        look = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"
        return not self.collect_sql and self._rows(look, [self.quote_name(table)]) == [(True,)]

    def _functions(self, table: str) -> dict[str, str]:
        ((namespace,),) = self._rows(_NAMESPACE, [self.quote_name(table)])
        quoted = self.quote_name
        return {
            "exists": f"{quoted(namespace)}.{quoted(f'{table}_reference_exists')}",
            "follow": f"{quoted(namespace)}.{quoted(f'{table}_references_follow')}",
        }

    def _qualified(self, table: str) -> str:
        namespace = self._functions(table)["exists"].partition(".")[0]
        return f"{namespace}.{self.quote_name(table)}"

    def _rows(self, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())
