"""CREATE, DROP and CREATE again; install_shop() once more changes nothing that an owner changed."""

import changed_shop
import restore
import state
from feed import Feed


def test_drop_and_create_again(source, empty_database):
    fresh = empty_database
    fresh.execute("CREATE EXTENSION globalmart")
    changed_shop.as_keeper(fresh, "SELECT globalmart.install_shop()")
    source.execute("DROP EXTENSION globalmart CASCADE")
    left = source.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'globalmart'")
    assert left == 0
    source.execute("DROP SCHEMA app CASCADE")
    source.execute("CREATE EXTENSION globalmart")
    changed_shop.as_keeper(source, "SELECT globalmart.install_shop()")
    source.close()
    state.assert_same(state.catalog(fresh), state.catalog(source))
    state.assert_same(state.content(fresh, logical=True), state.content(source, logical=True))
    feed = Feed(source)
    source.execute("CREATE SCHEMA app AUTHORIZATION keeper")
    changed_shop.make_own_stream(source)
    feed.claim()
    feed.minutes(0, 10)
    source.close_windows()
    assert source.value("SELECT count(*) FROM globalmart.sales_per_minute") > 0
    assert source.rows("SELECT * FROM globalmart.verify('sales_per_minute')") == []


def test_extension_without_a_shop(empty_database, cluster, folder):
    """The engine alone: another shop's owner never calls install_shop()."""
    empty_database.execute("CREATE EXTENSION globalmart")
    copy = cluster.new_database()
    restore.restore(restore.dump(empty_database, restore.PLAIN, folder), restore.PLAIN, copy)
    state.assert_same(state.catalog(empty_database), state.catalog(copy))
    state.assert_same(state.content(empty_database, logical=True), state.content(copy, logical=True))
    copy.drop()


def test_every_table_is_carried_or_shipped(empty_database):
    """A table that is not configuration must be the same after every CREATE EXTENSION, and one that is
    must be empty after it."""
    database = empty_database
    database.execute("CREATE EXTENSION globalmart")
    members = {
        name: carried
        for name, carried in database.rows(
            "SELECT c.relname, c.oid = ANY (e.extconfig) FROM pg_extension AS e"
            " JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
            " AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass"
            " JOIN pg_class AS c ON c.oid = d.objid WHERE e.extname = 'globalmart' AND c.relkind IN ('r', 'S')"
        )
    }
    assert {name for name, carried in members.items() if not carried} == {"setting_definitions", "shop_scripts"}
    filled = [
        name
        for name, carried in members.items()
        if carried and not name.endswith(("_seq", "_offset")) and database.rows(f"SELECT FROM globalmart.{name} LIMIT 1")
    ]
    assert filled == []
    numbered = [
        name
        for (name,) in database.rows(
            "SELECT c.relname FROM pg_class AS c WHERE c.relkind = 'S' AND c.relnamespace = 'globalmart'::regnamespace"
        )
    ]
    assert all(members[name] for name in numbered) and len(numbered) >= 4


def test_no_oid_is_stored(source):
    """regclass columns are written by name; a column of type oid would not be."""
    assert (
        source.rows(
            "SELECT c.oid::regclass::text, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0"
            " AND a.atttypid IN ('oid'::regtype, 'oid[]'::regtype, 'xid'::regtype, 'pg_lsn'::regtype,"
            "                    'globalmart.rollup_description'::regtype)"
        )
        == []
    )


def test_install_shop_again(source):
    """Everything that an owner changed stays; what was dropped comes back as it is shipped."""
    catalog, content = state.catalog(source), state.content(source)
    changed_shop.as_keeper(source, "SELECT globalmart.install_shop()")
    again = state.catalog(source)
    names = {"search_patterns_15m", "search_patterns_15m_live", "search_patterns_15m_pkey"}
    added = {what: [row for row in again[what] if row not in catalog[what]] for what in again}
    for what, rows in added.items():
        others = [row for row in rows if not any(name in row for name in names)]
        gone = [row for row in catalog[what] if row not in again[what]]
        state.assert_same({what: gone}, {what: others})
    assert added["relations"] != []
    now = state.content(source)
    changed = {table for table in now if now[table] != content.get(table)}
    assert changed == {
        "globalmart.rollup_catalog", "globalmart.rollup_versions", "globalmart.rollup_progress",
        "globalmart.rollup_versions_version_id_seq", "globalmart.domains", "globalmart.search_patterns_15m",
    }, sorted(changed)  # fmt: skip
    for table in ("rollup_catalog", "rollup_versions", "rollup_progress"):
        before, after = content[f"globalmart.{table}"], now[f"globalmart.{table}"]
        assert len(after) == len(before) + 1 and set(before) <= set(after), table
    # A third time there is nothing left to do.
    changed_shop.as_keeper(source, "SELECT globalmart.install_shop()")
    state.assert_same(now, state.content(source))
    state.assert_same(again, state.catalog(source))
