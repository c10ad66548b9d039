-- The shop's streams: a table for each kind of event, partitioned by UTC day. What the bridge
-- stores has been checked against the profile; the CHECK constraints keep rows that come by SQL from
-- poisoning sums, keys and watermarks (NaN, negative money, infinite times). Amounts go to a hundred times what the
-- shipped profile allows, so that a million rows of a window still sum up to numeric(18,2); texts to what several
-- keys of an index may be together. No index: COPY is what matters here.
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
    AND total_amount <= 10000000
    AND discount_amount >= 0
    AND discount_amount <= 10000000
    AND octet_length(user_id) <= 512
    AND octet_length(payment_method) <= 512
    AND octet_length(country) <= 512)
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
    AND quantity <= 10000
    AND price >= 0
    AND price <= 1000000
    AND total_amount >= 0
    AND total_amount <= 10000000
    AND octet_length(product_id) <= 512
    AND octet_length(user_id) <= 512
    AND octet_length(payment_method) <= 512
    AND octet_length(country) <= 512)
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
    AND price <= 1000000
    AND cart_value >= 0
    AND cart_value <= 1000000000
    AND octet_length(event_type) <= 512
    AND octet_length(user_id) <= 512
    AND octet_length(country) <= 512
    AND octet_length(product_id) <= 512
    AND octet_length(product_name) <= 1024
    AND octet_length(category) <= 512)
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
    AND price <= 1000000
    AND view_duration >= 0
    AND view_duration < 'NaN'
    AND results_count >= 0
    AND octet_length(event_type) <= 512
    AND octet_length(user_id) <= 512
    AND octet_length(country) <= 512
    AND octet_length(product_id) <= 512
    AND octet_length(product_name) <= 1024
    AND octet_length(category) <= 512
    AND octet_length(search_query) <= 512)
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
    AND old_price <= 1000000
    AND new_price >= 0
    AND new_price <= 1000000
    AND octet_length(event_type) <= 512
    AND octet_length(product_id) <= 512
    AND octet_length(country) <= 512)
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

SELECT globalmart.add_message_columns(to_regclass('globalmart.' || t))
FROM unnest('{transactions,transaction_items,cart_events,product_view_events,inventory_events}'::text[]) AS t;

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['transactions', 'transaction_items', 'cart_events', 'product_view_events', 'inventory_events'] LOOP
    -- ALTER TABLE would wait for writers, and later ones for it: not where there is nothing to alter.
    IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = to_regclass('globalmart.' || shop_table) AND c.relowner <> 'globalmart_owner'::regrole) THEN
      EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    END IF;
    EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', shop_table);
    EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', shop_table);
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
