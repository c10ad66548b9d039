"""What a database holds and how it is made, without anything that another database has otherwise: OIDs."""

import difflib
import itertools
import re

SCHEMAS = "('globalmart', 'warehouse', 'app')"

# Of two databases that were fed the same: where partials lie, how long something took, and whose process did it,
# may differ.
PHYSICAL = {
    "domains": {"generation", "draining", "switched_by", "retired_by", "definition_version"},
    "rollup_progress": {"published_at", "merge_seconds", "published_seq", "published_by"},
    "etl_runs": {"backend_pid"},
    "etl_steps": {"seconds"},
    "merge_costs": {"seconds", "cpu_seconds"},
}

# The same view may be written in two ways: PostgreSQL names literals in further branches of a UNION only
# when the definition is read again.
VIEW = "regexp_replace(pg_get_viewdef(c.oid), '(::[a-z0-9 ]+) AS [a-z0-9_]+', '\\1', 'g')"

CATALOG = {
    "extension": """
        SELECT e.extname, e.extversion, e.extrelocatable,
               ARRAY(SELECT c.relname FROM pg_class AS c WHERE c.oid = ANY (e.extconfig) ORDER BY 1)
        FROM pg_extension AS e WHERE e.extname = 'globalmart'""",
    "schemas": """
        SELECT n.nspname, pg_get_userbyid(n.nspowner), {acl:n.nspacl:n:n.nspowner}, obj_description(n.oid, 'pg_namespace')
        FROM pg_namespace AS n WHERE n.nspname IN {schemas}""",
    "relations": """
        SELECT c.oid::regclass::text, c.relkind, pg_get_userbyid(c.relowner), c.relpersistence, c.reloptions,
               {acl:c.relacl:r:c.relowner}, obj_description(c.oid, 'pg_class'), pg_get_partkeydef(c.oid),
               pg_get_expr(c.relpartbound, c.oid), c.relrowsecurity, c.relreplident,
               (SELECT i.inhparent::regclass::text FROM pg_inherits AS i WHERE i.inhrelid = c.oid),
               {member:pg_class:c.oid},
               CASE WHEN c.relkind = 'v' THEN {view} END,
               CASE WHEN c.relkind = 'i' THEN pg_get_indexdef(c.oid) END
        FROM pg_class AS c
        WHERE c.relnamespace::regnamespace::text IN {schemas} AND c.relkind NOT IN ('S', 'c')""",
    "columns": """
        SELECT c.oid::regclass::text, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
               a.attcompression, a.attstattarget, a.attcollation::regcollation::text, a.attacl::text,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace::regnamespace::text IN {schemas}""",
    "constraints": """
        SELECT c.conrelid::regclass::text, c.conname, c.contype, c.convalidated, c.coninhcount, c.conislocal,
               pg_get_constraintdef(c.oid), obj_description(c.oid, 'pg_constraint')
        FROM pg_constraint AS c WHERE c.connamespace::regnamespace::text IN {schemas}""",
    "triggers": """
        SELECT t.tgrelid::regclass::text, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid)
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relnamespace::regnamespace::text IN {schemas}""",
    "routines": """
        SELECT p.oid::regprocedure::text, p.prokind, pg_get_userbyid(p.proowner), {acl:p.proacl:f:p.proowner},
               {member:pg_proc:p.oid}, obj_description(p.oid, 'pg_proc'),
               CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE pg_get_function_result(p.oid) END
        FROM pg_proc AS p WHERE p.pronamespace::regnamespace::text IN {schemas}""",
    "types": """
        SELECT t.oid::regtype::text, t.typtype, pg_get_userbyid(t.typowner), {acl:t.typacl:T:t.typowner},
               {member:pg_type:t.oid}, obj_description(t.oid, 'pg_type')
        FROM pg_type AS t WHERE t.typnamespace::regnamespace::text IN {schemas}""",
    "sequences": """
        SELECT s.seqrelid::regclass::text, s.seqtypid::regtype::text, s.seqstart, s.seqincrement, s.seqmax, s.seqmin,
               s.seqcache, s.seqcycle, pg_get_userbyid(c.relowner), {acl:c.relacl:s:c.relowner},
               {member:pg_class:c.oid}, obj_description(c.oid, 'pg_class'),
               (SELECT d.refobjid::regclass::text FROM pg_depend AS d
                WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
        FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
        WHERE c.relnamespace::regnamespace::text IN {schemas}""",
    "default privileges": """
        SELECT pg_get_userbyid(d.defaclrole), d.defaclnamespace::regnamespace::text, d.defaclobjtype,
               ARRAY(SELECT a::text FROM unnest(d.defaclacl) AS a ORDER BY 1)
        FROM pg_default_acl AS d""",
}


def acl(column, kind, owner):
    """Privileges one by one; an ACL that was never set and one that says the same are equal."""
    return (
        "ARRAY(SELECT concat_ws(' ', a.grantee::regrole, a.privilege_type, a.is_grantable, 'by', a.grantor::regrole)"
        f" FROM aclexplode(coalesce({column}, acldefault('{kind}', {owner}))) AS a ORDER BY 1)"
    )


def member(catalog, oid):
    return (
        f"EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = '{catalog}'::regclass AND m.objid = {oid}"
        " AND m.deptype = 'e')"
    )


def _filled(query):
    query = re.sub(r"\{acl:([^:}]+):(\w):([^}]+)\}", lambda m: acl(*m.groups()), query)
    query = re.sub(r"\{member:(\w+):([^}]+)\}", lambda m: member(*m.groups()), query)
    return query.replace("{schemas}", SCHEMAS).replace("{view}", VIEW)


def catalog(database):
    """{what: sorted rows}"""
    return {name: sorted(map(repr, database.rows(_filled(query)))) for name, query in CATALOG.items()}


def tables(database):
    return [
        name
        for (name,) in database.rows(
            "SELECT c.oid::regclass::text FROM pg_class AS c"
            f" WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN {SCHEMAS} ORDER BY 1"
        )
    ]


def columns(database, logical=False):
    """{table or sequence: its columns}. `logical`: without what closes and compactions may do at another time."""
    found = {}
    for table in tables(database):
        name = table.split(".")[1]
        # What folds have spent moves from the logs to fold_costs.
        if logical and (name.startswith("partial_log_") or name == "fold_costs"):
            continue
        left_out = PHYSICAL.get(name, set()) if logical else set()
        found[table] = [
            column
            for (column,) in database.rows(
                "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND NOT attisdropped ORDER BY attnum",
                table,
            )
            if column not in left_out
        ]
    for (name,) in database.rows(
        "SELECT c.oid::regclass::text FROM pg_class AS c"
        f" WHERE c.relkind = 'S' AND c.relnamespace::regnamespace::text IN {SCHEMAS}"
    ):
        found[name] = ["last_value", "is_called"]
    return found


def content(database, logical=False, of=None):
    """{table or sequence: sorted rows}, of all columns() or of those given."""
    found = {}
    for table, names in (columns(database, logical) if of is None else of).items():
        rows = database.rows(f"SELECT ROW({', '.join(names)})::text FROM ONLY {table}")
        found[table] = sorted(row for (row,) in rows)
    return found


def live_rows(database):
    """{view: sorted rows}"""
    views = database.rows(
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = 'v' AND c.relname LIKE '%%\\_live'"
        " AND c.relnamespace = 'globalmart'::regnamespace"
    )
    return {
        view: sorted(row for (row,) in database.rows(f"SELECT v::text FROM {view} AS v"))
        for (view,) in views
    }


def assert_same(source, copy):
    """Of two of these dicts; says what they do not have in common."""
    found = []
    for name in sorted(source.keys() | copy.keys()):
        ours, theirs = source.get(name), copy.get(name)
        if ours is None or theirs is None:
            found.append(f"{name}: only in the {'copy' if ours is None else 'source'}")
        elif ours != theirs:
            lines = difflib.unified_diff(ours, theirs, "source", "copy", n=0, lineterm="")
            found.append(f"{name}: " + "\n".join(itertools.islice(lines, 20)))
    assert not found, "\n".join(found)
