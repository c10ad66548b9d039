-- insert_checked(): as an INSERT whose foreign keys PostgreSQL checks row by row, and no way around them.
SELECT plan(37);

CREATE SCHEMA shelf;
CREATE TABLE shelf.country (code text PRIMARY KEY);
CREATE TABLE shelf.item (country text, id int, PRIMARY KEY (country, id));
CREATE TABLE shelf.sold (
  at date NOT NULL, country text REFERENCES shelf.country, item int, price numeric(18,2), UNIQUE (at, item),
  FOREIGN KEY (country, item) REFERENCES shelf.item
) PARTITION BY RANGE (at);
CREATE TABLE shelf.sold_1 PARTITION OF shelf.sold FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shelf.sold_2 PARTITION OF shelf.sold FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO shelf.country VALUES ('UK'), ('Japan');
INSERT INTO shelf.item SELECT c, n FROM unnest('{UK,Japan}'::text[]) AS c, generate_series(1, 3) AS n;
CREATE TABLE shelf.rows AS
  SELECT date '2026-01-31' + d AS at, 'UK' AS country, n AS item, 1.005 AS price FROM generate_series(0, 1) AS d, generate_series(1, 3) AS n;

CREATE FUNCTION pg_temp.role() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('session_replication_role') $$;

SELECT is(globalmart.insert_checked('shelf.sold', 'shelf.rows'), 6::bigint, 'rows are inserted');
SELECT results_eq('SELECT tableoid::regclass::text, count(*), sum(price) FROM shelf.sold GROUP BY 1 ORDER BY 1',
  $$VALUES ('shelf.sold_1', 3::bigint, 3.03), ('shelf.sold_2', 3, 3.03)$$, 'into their partitions, as the type of the column');
SELECT is(globalmart.insert_checked('shelf.sold', 'shelf.rows'), 0::bigint, 'those that are there are left out');
INSERT INTO shelf.rows SELECT date '2026-02-10', 'UK', 1, n FROM generate_series(1, 3) AS n;
SELECT is(globalmart.insert_checked('shelf.sold', 'shelf.rows'), 1::bigint, 'and so are repetitions among the new ones');
SELECT is((SELECT price FROM shelf.sold WHERE at = '2026-02-10'), 1.00, 'the first one stays');
SELECT is(pg_temp.role(), 'origin', 'triggers are on again');

-- A key that finds nothing.
TRUNCATE shelf.rows;
INSERT INTO shelf.rows VALUES ('2026-02-11', 'UK', 1, 1), ('2026-02-12', 'UK', 7, 1);
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sold', 'shelf.rows')$$, '23503',
  'insert on table "sold" violates foreign key constraint "sold_country_item_fkey"', 'a key of two columns that is not there is refused');
UPDATE shelf.rows SET country = 'Nowhere';
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sold', 'shelf.rows')$$, '23503',
  'insert on table "sold" violates foreign key constraint "sold_country_fkey"', 'and one of one column');
SELECT is((SELECT count(*) FROM shelf.sold WHERE at > '2026-02-10'), 0::bigint, 'nothing of it is kept');
SELECT is(pg_temp.role(), 'origin', 'triggers are on after an error');
UPDATE shelf.rows SET at = '2026-01-11' WHERE at = '2026-02-11';
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sold_1', 'shelf.rows')$$, '23503', NULL, 'a partition by itself is checked by the keys of its table');
UPDATE shelf.rows SET at = '2026-02-11' WHERE at = '2026-01-11';
UPDATE shelf.rows SET country = NULL;
SELECT is(globalmart.insert_checked('shelf.sold', 'shelf.rows'), 2::bigint, 'a key with a NULL in it refers to nothing');

-- What is referenced stays until the end of the transaction.
TRUNCATE shelf.rows;
INSERT INTO shelf.rows VALUES ('2026-02-14', 'Japan', 1, 1);
BEGIN;
SELECT globalmart.insert_checked('shelf.sold', 'shelf.rows');
SELECT set_eq($$SELECT c.oid::regclass::text FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
  WHERE l.pid = pg_backend_pid() AND l.mode = 'ShareLock' AND c.relnamespace = 'shelf'::regnamespace$$,
  '{shelf.country,shelf.item}'::text[], 'what is referenced is locked');
COMMIT;
SELECT throws_ok($$DELETE FROM shelf.item WHERE country = 'Japan' AND id = 1$$, '23503', NULL, 'and is referenced after it');

-- Triggers of users and rules run, row by row.
CREATE TABLE shelf.seen (at date);
CREATE FUNCTION shelf.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shelf.seen VALUES (NEW.at); RETURN NEW; END $$;
CREATE TRIGGER see AFTER INSERT ON shelf.sold_2 FOR EACH ROW EXECUTE FUNCTION shelf.see();
TRUNCATE shelf.rows;
INSERT INTO shelf.rows VALUES ('2026-02-15', 'UK', 1, 1);
SELECT is(globalmart.insert_checked('shelf.sold', 'shelf.rows'), 1::bigint, 'a table with a trigger takes rows, too');
SELECT is((SELECT count(*) FROM shelf.seen), 1::bigint, 'and its trigger runs, also that of a partition');
UPDATE shelf.rows SET item = 7;
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sold', 'shelf.rows')$$, '23503', NULL, 'its keys are checked');
DROP TRIGGER see ON shelf.sold_2;
CREATE TABLE shelf.days (day date PRIMARY KEY);
ALTER TABLE shelf.sold_2 ADD FOREIGN KEY (at) REFERENCES shelf.days NOT VALID;
UPDATE shelf.rows SET item = 1, at = '2026-02-16';
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sold', 'shelf.rows')$$, '23503', NULL, 'a key that only a partition has is checked');
CREATE TABLE shelf.tree (id int PRIMARY KEY, parent int REFERENCES shelf.tree);
CREATE TABLE shelf.nodes AS SELECT n AS id, n - 1 AS parent FROM generate_series(1, 3) AS n;
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.tree', 'shelf.nodes')$$, '23503', NULL, 'a table that refers to itself is checked');
UPDATE shelf.nodes SET parent = NULL WHERE id = 1;
SELECT is(globalmart.insert_checked('shelf.tree', 'shelf.nodes'), 3::bigint, 'with its own new rows in sight');

CREATE TABLE shelf.shipped AS SELECT date '2026-02-10' AS at, 1 AS item;
CREATE TABLE shelf.shipments (at date, item int, FOREIGN KEY (at, item) REFERENCES shelf.sold (at, item));
SELECT is(globalmart.insert_checked('shelf.shipments', 'shelf.shipped'), 1::bigint, 'what is referenced may be partitioned');

-- No code of anybody's runs while triggers are off: such tables take their rows one by one.
CREATE FUNCTION shelf.role() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN current_setting('session_replication_role'); END $$;
CREATE FUNCTION shelf.is_origin() RETURNS boolean LANGUAGE sql AS $$ SELECT current_setting('session_replication_role') = 'origin' $$;
CREATE VIEW shelf.by_view AS SELECT shelf.role() AS seen;
CREATE TABLE shelf.seen_role (seen text);
SELECT globalmart.insert_checked('shelf.seen_role', 'shelf.by_view');
SELECT is((SELECT seen FROM shelf.seen_role), 'origin', 'a view runs with triggers on');
CREATE TABLE shelf.plain AS SELECT 1 AS a;
CREATE TABLE shelf.checked (a int CHECK (shelf.is_origin()));
SELECT is(globalmart.insert_checked('shelf.checked', 'shelf.plain'), 1::bigint, 'so does a CHECK');
CREATE FUNCTION shelf.indexed(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN current_setting('session_replication_role'); END $$;
CREATE TABLE shelf.with_index (a int);
CREATE UNIQUE INDEX ON shelf.with_index (a, shelf.indexed(a));
SELECT globalmart.insert_checked('shelf.with_index', 'shelf.plain');
SET enable_seqscan = off;
SELECT is((SELECT count(*) FROM shelf.with_index WHERE a = 1 AND shelf.indexed(a) = 'origin'), 1::bigint, 'and an index');
RESET enable_seqscan;
CREATE DOMAIN shelf.number AS int CHECK (shelf.is_origin());
CREATE TABLE shelf.of_domain (a shelf.number);
SELECT is(globalmart.insert_checked('shelf.of_domain', 'shelf.plain'), 1::bigint, 'and a domain');
SELECT is_empty($$SELECT FROM shelf.seen_role WHERE seen <> 'origin'$$, 'none has seen them off');
CREATE TABLE shelf.of_type AS SELECT 'UK'::text AS country, 1.4 AS id;
SELECT is(globalmart.insert_checked('shelf.item', 'shelf.of_type'), 0::bigint, 'a key is of the type that is stored');
CREATE TABLE shelf.boxes (country text, id int, FOREIGN KEY (country, id) REFERENCES shelf.item);
SELECT is(globalmart.insert_checked('shelf.boxes', 'shelf.of_type'), 1::bigint, 'and is looked up so');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT is(globalmart.insert_checked('shelf.boxes', 'shelf.of_type'), 1::bigint, 'an old snapshot is no hindrance');
ROLLBACK;

-- What cannot be done.
CREATE TABLE shelf.nothing ();
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.nothing', 'shelf.plain')$$, '42804', NULL, 'a table without columns is refused');
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.plain', 'shelf.nothing')$$, '42804', NULL, 'on either side');
CREATE TABLE shelf.others AS SELECT 1 AS id, 2 AS father;
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.tree', 'shelf.others')$$, '42804', 'tables "tree" and "others" do not have the same columns', 'other columns are refused');
CREATE VIEW shelf.sight AS SELECT * FROM shelf.tree;
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sight', 'shelf.nodes')$$, '42809', '"sight" is not a table', 'a view is refused');

-- Who may: the owner, and nobody by it what he may not.
GRANT USAGE ON SCHEMA shelf TO globalmart_owner, globalmart_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA shelf TO globalmart_owner, globalmart_reader;
SET ROLE globalmart_reader;
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.tree', 'shelf.nodes')$$, '42501', NULL, 'a reader may not call it');
SET ROLE globalmart_owner;
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.sold_1', 'shelf.rows')$$, '42501', NULL, 'the owner needs the right to lock what is referenced');
SELECT throws_ok($$SELECT globalmart.insert_checked('shelf.seen', 'shelf.seen')$$, '42501', 'permission denied for table seen', 'and to insert');
RESET ROLE;
SELECT is(pg_temp.role(), 'origin', 'triggers are on at the end');
SELECT * FROM finish();
