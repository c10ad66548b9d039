-- The shop's streams: a table for each kind of event, partitioned by UTC day, and the catalogue. What the
-- bridge stores has been checked against the profile; the CHECK constraints keep rows that come by SQL from
-- poisoning sums and watermarks (NaN, negative money, infinite times). No index: COPY is what matters here.
-- received_at, kafka_partition and kafka_offset, where a row came from, are added to all of them at the end.

CREATE TABLE IF NOT EXISTS globalmart.transactions (
  event_time      timestamptz NOT NULL,
  transaction_id  uuid NOT NULL,
  user_id         text NOT NULL,
  total_amount    numeric(18,2) NOT NULL,
  discount_amount numeric(18,2),
  payment_method  text NOT NULL,
  country         text NOT NULL,
  CONSTRAINT transactions_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND total_amount >= 0
    AND total_amount < 'NaN'
    AND discount_amount >= 0
    AND discount_amount < 'NaN')
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.transactions IS
  'Orders, one row each, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.transactions.event_time IS
  'When the order was placed';
COMMENT ON COLUMN globalmart.transactions.transaction_id IS
  'The order; identifies the event';
COMMENT ON COLUMN globalmart.transactions.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.transactions.total_amount IS
  'What was charged, discount taken off; money';
COMMENT ON COLUMN globalmart.transactions.discount_amount IS
  'Discount that was taken off; money; NULL: not told';
COMMENT ON COLUMN globalmart.transactions.payment_method IS
  'How it was paid; one of payment_methods';
COMMENT ON COLUMN globalmart.transactions.country IS
  'Country of the order; one of countries';

CREATE TABLE IF NOT EXISTS globalmart.transaction_items (
  event_time      timestamptz NOT NULL,
  transaction_id  uuid NOT NULL,
  line_no         int4 NOT NULL,
  quantity        int4 NOT NULL,
  product_id      text NOT NULL,
  price           numeric(18,2) NOT NULL,
  user_id         text NOT NULL,
  total_amount    numeric(18,2) NOT NULL,
  payment_method  text NOT NULL,
  country         text NOT NULL,
  CONSTRAINT transaction_items_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND line_no > 0
    AND quantity > 0
    AND price >= 0
    AND price < 'NaN'
    AND total_amount >= 0
    AND total_amount < 'NaN')
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.transaction_items IS
  'Lines of orders, one row each, partitioned by UTC day of event time; the columns of the order are repeated';
COMMENT ON COLUMN globalmart.transaction_items.event_time IS
  'When the order was placed';
COMMENT ON COLUMN globalmart.transaction_items.transaction_id IS
  'The order; with line_no it identifies the row';
COMMENT ON COLUMN globalmart.transaction_items.line_no IS
  'Number of the line in its order, from 1';
COMMENT ON COLUMN globalmart.transaction_items.quantity IS
  'Units ordered';
COMMENT ON COLUMN globalmart.transaction_items.product_id IS
  'Product ordered; a product may stand on several lines';
COMMENT ON COLUMN globalmart.transaction_items.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.transaction_items.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.transaction_items.total_amount IS
  'What was charged for the whole order; money';
COMMENT ON COLUMN globalmart.transaction_items.payment_method IS
  'How the order was paid; one of payment_methods';
COMMENT ON COLUMN globalmart.transaction_items.country IS
  'Country of the order; one of countries';

CREATE TABLE IF NOT EXISTS globalmart.cart_events (
  event_time      timestamptz NOT NULL,
  event_id        uuid NOT NULL,
  session_id      uuid NOT NULL,
  event_type      text NOT NULL,
  user_id         text NOT NULL,
  country         text NOT NULL,
  product_id      text,
  product_name    text,
  category        text,
  price           numeric(18,2),
  quantity        int4,
  old_quantity    int4,
  new_quantity    int4,
  cart_size       int4,
  total_items     int4,
  cart_value      numeric(18,2),
  CONSTRAINT cart_events_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND price >= 0
    AND price < 'NaN'
    AND cart_value >= 0
    AND cart_value < 'NaN')
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.cart_events IS
  'What happens to carts, one row an event, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.cart_events.event_time IS
  'When it happened';
COMMENT ON COLUMN globalmart.cart_events.event_id IS
  'Identifies the event';
COMMENT ON COLUMN globalmart.cart_events.session_id IS
  'With user_id, the session that the cart belongs to';
COMMENT ON COLUMN globalmart.cart_events.event_type IS
  'add_to_cart, remove_from_cart, update_quantity, checkout or cart_abandonment';
COMMENT ON COLUMN globalmart.cart_events.user_id IS
  'User whose cart it is';
COMMENT ON COLUMN globalmart.cart_events.country IS
  'Country of the user; one of countries';
COMMENT ON COLUMN globalmart.cart_events.product_id IS
  'Product put in, taken out or changed';
COMMENT ON COLUMN globalmart.cart_events.product_name IS
  'Its name';
COMMENT ON COLUMN globalmart.cart_events.category IS
  'Its category';
COMMENT ON COLUMN globalmart.cart_events.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.cart_events.quantity IS
  'Units put in or taken out';
COMMENT ON COLUMN globalmart.cart_events.old_quantity IS
  'Units before an update_quantity';
COMMENT ON COLUMN globalmart.cart_events.new_quantity IS
  'Units after an update_quantity';
COMMENT ON COLUMN globalmart.cart_events.cart_size IS
  'Different products in the cart after the event';
COMMENT ON COLUMN globalmart.cart_events.total_items IS
  'Units in the cart at a checkout or abandonment';
COMMENT ON COLUMN globalmart.cart_events.cart_value IS
  'Value of the cart after the event, the total of a checkout; money';

CREATE TABLE IF NOT EXISTS globalmart.product_view_events (
  event_time              timestamptz NOT NULL,
  event_id                uuid NOT NULL,
  session_id              uuid NOT NULL,
  event_type              text NOT NULL,
  user_id                 text NOT NULL,
  country                 text NOT NULL,
  product_id              text,
  product_name            text,
  category                text,
  price                   numeric(18,2),
  view_duration           numeric(10,6),
  from_search             bool,
  previously_viewed_count int4,
  search_query            text,
  results_count           int4,
  filter_category         text,
  min_price               numeric(18,2),
  max_price               numeric(18,2),
  product_ids             text[],
  product_names           text[],
  prices                  numeric(18,2)[],
  CONSTRAINT product_view_events_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND price >= 0
    AND price < 'NaN'
    AND view_duration >= 0
    AND view_duration < 'NaN'
    AND results_count >= 0)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.product_view_events IS
  'Views of products, searches, filters and comparisons, one row an event, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.product_view_events.event_time IS
  'When it happened';
COMMENT ON COLUMN globalmart.product_view_events.event_id IS
  'Identifies the event';
COMMENT ON COLUMN globalmart.product_view_events.session_id IS
  'With user_id, the session that the event belongs to';
COMMENT ON COLUMN globalmart.product_view_events.event_type IS
  'view, search, filter or compare';
COMMENT ON COLUMN globalmart.product_view_events.user_id IS
  'User who looked';
COMMENT ON COLUMN globalmart.product_view_events.country IS
  'Country of the user; one of countries';
COMMENT ON COLUMN globalmart.product_view_events.product_id IS
  'Product viewed';
COMMENT ON COLUMN globalmart.product_view_events.product_name IS
  'Its name';
COMMENT ON COLUMN globalmart.product_view_events.category IS
  'Its category; of a comparison, that of its products';
COMMENT ON COLUMN globalmart.product_view_events.price IS
  'Its price; money';
COMMENT ON COLUMN globalmart.product_view_events.view_duration IS
  'How long it was looked at; seconds';
COMMENT ON COLUMN globalmart.product_view_events.from_search IS
  'Whether the user came from a search';
COMMENT ON COLUMN globalmart.product_view_events.previously_viewed_count IS
  'Products that the user had viewed before in the session';
COMMENT ON COLUMN globalmart.product_view_events.search_query IS
  'What was searched for, byte for byte';
COMMENT ON COLUMN globalmart.product_view_events.results_count IS
  'Results of a search or filter';
COMMENT ON COLUMN globalmart.product_view_events.filter_category IS
  'Category filtered by';
COMMENT ON COLUMN globalmart.product_view_events.min_price IS
  'Least price filtered by; money';
COMMENT ON COLUMN globalmart.product_view_events.max_price IS
  'Greatest price filtered by; money';
COMMENT ON COLUMN globalmart.product_view_events.product_ids IS
  'Products compared';
COMMENT ON COLUMN globalmart.product_view_events.product_names IS
  'Their names';
COMMENT ON COLUMN globalmart.product_view_events.prices IS
  'Their prices; money';

CREATE TABLE IF NOT EXISTS globalmart.inventory_events (
  event_time      timestamptz NOT NULL,
  event_id        uuid NOT NULL,
  event_type      text NOT NULL,
  product_id      text NOT NULL,
  country         text,
  stock_level     int4,
  delta           int4,
  old_price       numeric(18,2),
  new_price       numeric(18,2),
  CONSTRAINT inventory_events_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND stock_level >= 0
    AND old_price >= 0
    AND old_price < 'NaN'
    AND new_price >= 0
    AND new_price < 'NaN')
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.inventory_events IS
  'Changes of stock and of prices, one row an event, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.inventory_events.event_time IS
  'When it happened';
COMMENT ON COLUMN globalmart.inventory_events.event_id IS
  'Identifies the event';
COMMENT ON COLUMN globalmart.inventory_events.event_type IS
  'stock_update or price_change';
COMMENT ON COLUMN globalmart.inventory_events.product_id IS
  'Product that changed';
COMMENT ON COLUMN globalmart.inventory_events.country IS
  'Country of the stock; NULL for a price change';
COMMENT ON COLUMN globalmart.inventory_events.stock_level IS
  'Units in stock after a stock_update';
COMMENT ON COLUMN globalmart.inventory_events.delta IS
  'Change of the stock; units';
COMMENT ON COLUMN globalmart.inventory_events.old_price IS
  'Price before a price_change; money';
COMMENT ON COLUMN globalmart.inventory_events.new_price IS
  'Price after it; money';

-- The catalogue: every change is kept; users and products are what is in force, kept by triggers.

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

SELECT globalmart.add_message_columns(to_regclass('globalmart.' || t))
FROM unnest('{transactions,transaction_items,cart_events,product_view_events,inventory_events,user_changes,product_changes}'::text[]) AS t;

CREATE OR REPLACE TRIGGER apply_user_changes AFTER INSERT ON globalmart.user_changes
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION globalmart.apply_user_changes();
CREATE OR REPLACE TRIGGER apply_product_changes AFTER INSERT ON globalmart.product_changes
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION globalmart.apply_product_changes();

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['transactions', 'transaction_items', 'cart_events', 'product_view_events',
      'inventory_events', 'user_changes', 'product_changes', 'users', 'products', 'user_versions', 'product_versions'] LOOP
    EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', shop_table);
    IF shop_table NOT IN ('users', 'products', 'user_versions', 'product_versions') THEN
      EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', shop_table);
    END IF;
  END LOOP;
END
$owner$;

-- Registered once: what an owner changed about a stream stays.
SELECT globalmart.create_stream(s.name, to_regclass('globalmart.' || s.name), s.domain, s.topic, 'event_time',
                                s.id_column, s.line_column)
FROM (VALUES
  ('transactions', 'transactions', 'transactions-topic', 'transaction_id', NULL),
  ('transaction_items', 'transactions', 'transactions-topic', 'transaction_id', 'line_no'),
  ('cart_events', 'cart', 'cart-events-topic', 'event_id', NULL),
  ('product_view_events', 'views', 'product-views-topic', 'event_id', NULL),
  ('inventory_events', 'inventory', 'inventory-events-topic', 'event_id', NULL)
) AS s(name, domain, topic, id_column, line_column)
WHERE NOT EXISTS (SELECT FROM globalmart.streams AS r WHERE r.stream = s.name);

SELECT globalmart.create_default_leaf(s)
FROM unnest('{transactions,transaction_items,cart_events,product_view_events,inventory_events}'::text[]) AS s;
SELECT globalmart.make_partition(m.stream, m.day) FROM globalmart.days_to_make() AS m;
