-- The shop's catalogue: every change is kept; users and products are what is in force, kept by triggers. Columns
-- that say where a row came from are added at the end, as for streams.

CREATE TABLE IF NOT EXISTS globalmart.user_changes (
  event_time      timestamptz NOT NULL,
  user_id         text NOT NULL,
  deleted         bool NOT NULL,
  country         text,
  age_range       text,
  preferences     text[],
  registered_at   timestamptz,
  CONSTRAINT user_changes_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND (deleted OR country IS NOT NULL))
);
COMMENT ON TABLE globalmart.user_changes IS
  'Every change of a user that was told, in order of arrival: the history of users';
COMMENT ON COLUMN globalmart.user_changes.event_time IS
  'From when on the change is in force; of a delete, its Kafka timestamp';
COMMENT ON COLUMN globalmart.user_changes.user_id IS
  'User';
COMMENT ON COLUMN globalmart.user_changes.deleted IS
  'Whether the user was deleted; all else is NULL then';
COMMENT ON COLUMN globalmart.user_changes.country IS
  'Country of the user; one of countries';
COMMENT ON COLUMN globalmart.user_changes.age_range IS
  'Age, such as 25-34';
COMMENT ON COLUMN globalmart.user_changes.preferences IS
  'Preferred groups of categories';
COMMENT ON COLUMN globalmart.user_changes.registered_at IS
  'When the user registered';

CREATE TABLE IF NOT EXISTS globalmart.product_changes (
  event_time      timestamptz NOT NULL,
  product_id      text NOT NULL,
  deleted         bool NOT NULL,
  product_name    text,
  category        text,
  price           numeric(18,2),
  rating          numeric(3,2),
  stock_level     int4,
  CONSTRAINT product_changes_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND (deleted OR (product_name IS NOT NULL AND category IS NOT NULL AND price IS NOT NULL))
    AND price >= 0
    AND price < 'NaN'
    AND rating >= 0
    AND rating <= 5)
);
COMMENT ON TABLE globalmart.product_changes IS
  'Every change of a product that was told, in order of arrival: the history of products';
COMMENT ON COLUMN globalmart.product_changes.event_time IS
  'From when on the change is in force; of a delete, its Kafka timestamp';
COMMENT ON COLUMN globalmart.product_changes.product_id IS
  'Product';
COMMENT ON COLUMN globalmart.product_changes.deleted IS
  'Whether the product was deleted; all else is NULL then';
COMMENT ON COLUMN globalmart.product_changes.product_name IS
  'Name';
COMMENT ON COLUMN globalmart.product_changes.category IS
  'Category';
COMMENT ON COLUMN globalmart.product_changes.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.product_changes.rating IS
  'Average rating, 0 to 5';
COMMENT ON COLUMN globalmart.product_changes.stock_level IS
  'Units in stock';

CREATE TABLE IF NOT EXISTS globalmart.users (
  user_id       text PRIMARY KEY,
  country       text NOT NULL,
  age_range     text,
  preferences   text[],
  registered_at timestamptz,
  updated_at    timestamptz NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.users IS
  'Users as they are now: the latest change by (event_time, kafka_partition, kafka_offset); a deleted one is not here';
COMMENT ON COLUMN globalmart.users.user_id IS
  'User';
COMMENT ON COLUMN globalmart.users.country IS
  'Country of the user';
COMMENT ON COLUMN globalmart.users.age_range IS
  'Age, such as 25-34';
COMMENT ON COLUMN globalmart.users.preferences IS
  'Preferred groups of categories';
COMMENT ON COLUMN globalmart.users.registered_at IS
  'When the user registered';
COMMENT ON COLUMN globalmart.users.updated_at IS
  'From when on this is in force';

CREATE TABLE IF NOT EXISTS globalmart.products (
  product_id   text PRIMARY KEY,
  product_name text NOT NULL,
  category     text NOT NULL,
  price        numeric(18,2) NOT NULL,
  rating       numeric(3,2),
  stock_level  int4,
  updated_at   timestamptz NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.products IS
  'Products as they are now: the latest change by (event_time, kafka_partition, kafka_offset); a deleted one is not here';
COMMENT ON COLUMN globalmart.products.product_id IS
  'Product';
COMMENT ON COLUMN globalmart.products.product_name IS
  'Name';
COMMENT ON COLUMN globalmart.products.category IS
  'Category';
COMMENT ON COLUMN globalmart.products.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.products.rating IS
  'Average rating, 0 to 5';
COMMENT ON COLUMN globalmart.products.stock_level IS
  'Units in stock';
COMMENT ON COLUMN globalmart.products.updated_at IS
  'From when on this is in force';

CREATE TABLE IF NOT EXISTS globalmart.user_versions (
  user_id         text PRIMARY KEY,
  event_time      timestamptz NOT NULL,
  kafka_partition int4 NOT NULL,
  kafka_offset    int8 NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.user_versions IS
  'The latest change of each user, deleted ones included: what an older change that comes late is measured against';
COMMENT ON COLUMN globalmart.user_versions.user_id IS
  'User';
COMMENT ON COLUMN globalmart.user_versions.event_time IS
  'From when on the latest change is in force';
COMMENT ON COLUMN globalmart.user_versions.kafka_partition IS
  'Its Kafka partition';
COMMENT ON COLUMN globalmart.user_versions.kafka_offset IS
  'Its offset';

CREATE TABLE IF NOT EXISTS globalmart.product_versions (
  product_id      text PRIMARY KEY,
  event_time      timestamptz NOT NULL,
  kafka_partition int4 NOT NULL,
  kafka_offset    int8 NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.product_versions IS
  'The latest change of each product, deleted ones included: what an older change that comes late is measured against';
COMMENT ON COLUMN globalmart.product_versions.product_id IS
  'Product';
COMMENT ON COLUMN globalmart.product_versions.event_time IS
  'From when on the latest change is in force';
COMMENT ON COLUMN globalmart.product_versions.kafka_partition IS
  'Its Kafka partition';
COMMENT ON COLUMN globalmart.product_versions.kafka_offset IS
  'Its offset';

SELECT globalmart.add_message_columns(to_regclass('globalmart.' || t)) FROM unnest('{user_changes,product_changes}'::text[]) AS t;

-- Writers would wait for it, too.
DO $triggers$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
                 WHERE t.tgrelid = 'globalmart.user_changes'::regclass AND t.tgname = 'apply_user_changes') THEN
    CREATE TRIGGER apply_user_changes AFTER INSERT ON globalmart.user_changes
      REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION globalmart.apply_user_changes();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
                 WHERE t.tgrelid = 'globalmart.product_changes'::regclass AND t.tgname = 'apply_product_changes') THEN
    CREATE TRIGGER apply_product_changes AFTER INSERT ON globalmart.product_changes
      REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION globalmart.apply_product_changes();
  END IF;
END
$triggers$;

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['user_changes', 'product_changes', 'users', 'products', 'user_versions', 'product_versions'] LOOP
    -- ALTER TABLE would wait for writers, and later ones for it: not where there is nothing to alter.
    IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = to_regclass('globalmart.' || shop_table) AND c.relowner <> 'globalmart_owner'::regrole) THEN
      EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    END IF;
    EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', shop_table);
    IF shop_table IN ('user_changes', 'product_changes') THEN
      EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', shop_table);
    END IF;
  END LOOP;
  -- What real-time tables name by their ids; the history of changes is in the warehouse.
  GRANT SELECT ON globalmart.users, globalmart.products TO globalmart_analyst;
END
$owner$;
