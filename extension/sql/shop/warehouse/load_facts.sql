-- What the load under way takes: globalmart.etl_new_STREAM has the stream's rows in it. Views, so that the day
-- that is asked for reaches the partitions.
CREATE OR REPLACE FUNCTION globalmart.etl_streams() RETURNS TABLE (stream text, topic text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.stream, s.topic FROM globalmart.streams AS s
  WHERE s.stream IN ('transactions', 'transaction_items', 'cart_events', 'product_view_events')
  UNION ALL
  VALUES ('user_changes', 'users-topic'), ('product_changes', 'products-topic')
$$;
COMMENT ON FUNCTION globalmart.etl_streams() IS 'The streams that the warehouse loads, and the topics that bring them';

DO $views$
DECLARE
  loaded record;
BEGIN
  FOR loaded IN
    SELECT * FROM (VALUES
      ('transactions', 'event_time, transaction_id'),
      ('transaction_items', 'event_time, transaction_id, product_id, price, user_id, country'),
      ('cart_events', 'event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, '
                      'quantity, new_quantity, cart_value'),
      ('product_view_events', 'event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, '
                              'view_duration, from_search, search_query, results_count'),
      ('user_changes', 'user_id'),
      ('product_changes', 'product_id')) AS v(stream, columns)
  LOOP
    EXECUTE format(
      'CREATE OR REPLACE VIEW globalmart.%1$I AS '
      'SELECT %3$s, e.kafka_partition, e.kafka_offset FROM globalmart.%2$I AS e JOIN globalmart.etl_spans AS s '
      '  ON s.stream = %2$L AND s.kafka_partition = e.kafka_partition '
      ' AND e.kafka_offset >= s.from_offset AND e.kafka_offset < s.until_offset '
      'UNION ALL '
      'SELECT %3$s, e.kafka_partition, e.kafka_offset FROM globalmart.%2$I AS e JOIN globalmart.etl_redrives AS r '
      '  ON r.kafka_partition = e.kafka_partition AND r.kafka_offset = e.kafka_offset AND NOT r.loaded '
      ' AND r.stream = %2$L', 'etl_new_' || loaded.stream, loaded.stream, regexp_replace(loaded.columns, '(\w+)', 'e.\1', 'g'));
    EXECUTE format('COMMENT ON VIEW globalmart.%I IS %L', 'etl_new_' || loaded.stream,
                   format('Rows of %s that the load under way takes; none between loads', loaded.stream));
    PERFORM globalmart.copy_column_comments(format('globalmart.%I', loaded.stream), format('globalmart.%I', 'etl_new_' || loaded.stream));
  END LOOP;
END
$views$;

-- A day in hand: what the load takes of it, put into tables of the session, which the steps below read. A view over
-- spans of offsets is planned for a few rows whatever it gives, and a join planned for a few rows takes hours over a
-- million; of a table the planner knows how many there are.
CREATE OR REPLACE FUNCTION globalmart.take_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stream text;
BEGIN
  FOREACH stream IN ARRAY ARRAY['transactions', 'transaction_items', 'cart_events', 'product_view_events'] LOOP
    EXECUTE format('CREATE TEMP TABLE %I ON COMMIT DROP AS SELECT e.* FROM globalmart.%I AS e WHERE e.event_time >= %L AND e.event_time < %L',
                   'etl_day_' || stream, 'etl_new_' || stream, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    EXECUTE format('ANALYZE pg_temp.%I', 'etl_day_' || stream);
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.take_day(date) IS
  'Puts the rows of a day that the load under way takes into temporary tables etl_day_STREAM, until the end of the transaction';

-- Every event finds a version of its country, customer and product: where nobody told, one is inferred from
-- the first event that names them, in force until the first that was told. Most nights most are known: only those
-- who are not are sorted.
CREATE OR REPLACE FUNCTION globalmart.infer_members() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  inferred bigint;
  more bigint;
  mended_keys bigint[];
BEGIN
  INSERT INTO warehouse.dim_geography (durable_key, country)
  SELECT nextval('warehouse.durable_keys'), n.country
  FROM (SELECT e.country FROM pg_temp.etl_day_transaction_items AS e
        UNION SELECT e.country FROM pg_temp.etl_day_cart_events AS e
        UNION SELECT e.country FROM pg_temp.etl_day_product_view_events AS e) AS n
  WHERE NOT EXISTS (SELECT FROM warehouse.dim_geography AS g WHERE g.country = n.country)
  ORDER BY n.country;
  GET DIAGNOSTICS inferred = ROW_COUNT;

  INSERT INTO warehouse.dim_customers (durable_key, user_id, country, is_inferred, effective_to)
  SELECT coalesce(k.durable_key, nextval('warehouse.durable_keys')), n.user_id, n.country, true,
         coalesce(k.effective_from, '9999-12-31 00:00:00+00')
  FROM (SELECT DISTINCT ON (e.user_id) e.user_id, e.country
        FROM (SELECT t.user_id, t.country, t.event_time, t.transaction_id AS event_id FROM pg_temp.etl_day_transaction_items AS t
              UNION ALL SELECT c.user_id, c.country, c.event_time, c.event_id FROM pg_temp.etl_day_cart_events AS c
              UNION ALL SELECT v.user_id, v.country, v.event_time, v.event_id FROM pg_temp.etl_day_product_view_events AS v) AS e
        WHERE NOT EXISTS (SELECT FROM warehouse.dim_customers AS d WHERE d.user_id = e.user_id AND d.effective_from <= e.event_time)
        ORDER BY e.user_id, e.event_time, e.event_id) AS n
  LEFT JOIN LATERAL (SELECT d.durable_key, d.effective_from FROM warehouse.dim_customers AS d
                     WHERE d.user_id = n.user_id ORDER BY d.effective_from LIMIT 1) AS k ON true
  ORDER BY n.user_id;
  GET DIAGNOSTICS more = ROW_COUNT;
  inferred := inferred + more;

  WITH named AS (
    SELECT t.product_id, NULL::text AS product_name, NULL::text AS category, t.price, t.event_time, t.transaction_id AS event_id
    FROM pg_temp.etl_day_transaction_items AS t
    UNION ALL
    SELECT c.product_id, c.product_name, c.category, c.price, c.event_time, c.event_id
    FROM pg_temp.etl_day_cart_events AS c WHERE c.product_id IS NOT NULL
    UNION ALL
    SELECT v.product_id, v.product_name, v.category, v.price, v.event_time, v.event_id
    FROM pg_temp.etl_day_product_view_events AS v WHERE v.product_id IS NOT NULL),
  in_doubt AS (
    SELECT n.product_id FROM named AS n
    WHERE NOT EXISTS (SELECT FROM warehouse.dim_products AS d WHERE d.product_id = n.product_id AND d.effective_from <= n.event_time)
    UNION
    SELECT d.product_id FROM warehouse.dim_products AS d WHERE d.is_inferred AND 'Unknown' IN (d.product_name, d.category)),
  told AS (
    SELECT DISTINCT ON (e.product_id) e.product_id, e.event_time,
           first_value(e.price) OVER (PARTITION BY e.product_id ORDER BY e.price IS NULL, e.event_time, e.event_id) AS price,
           first_value(e.product_name) OVER (PARTITION BY e.product_id ORDER BY e.product_name IS NULL, e.event_time, e.event_id) AS product_name,
           first_value(e.category) OVER (PARTITION BY e.product_id ORDER BY e.category IS NULL, e.event_time, e.event_id) AS category
    FROM named AS e JOIN in_doubt AS i ON i.product_id = e.product_id
    ORDER BY e.product_id, e.event_time, e.event_id),
  known AS (
    SELECT n.*, k.durable_key, k.effective_from, k.product_key, k.is_inferred, k.product_name AS known_name, k.category AS known_category
    FROM told AS n
    LEFT JOIN LATERAL (SELECT d.* FROM warehouse.dim_products AS d
                       WHERE d.product_id = n.product_id ORDER BY d.effective_from LIMIT 1) AS k ON true),
  mended AS (
    -- An order tells no name; the first view of the product does.
    UPDATE warehouse.dim_products AS d
    SET product_name = CASE d.product_name WHEN 'Unknown' THEN coalesce(k.product_name, 'Unknown') ELSE d.product_name END,
        category = CASE d.category WHEN 'Unknown' THEN coalesce(k.category, 'Unknown') ELSE d.category END
    FROM known AS k
    WHERE d.product_key = k.product_key AND k.is_inferred
      AND (k.known_name = 'Unknown' AND k.product_name IS NOT NULL OR k.known_category = 'Unknown' AND k.category IS NOT NULL)
    RETURNING d.product_key, d.category <> k.known_category AS of_other_category),
  added AS (
    INSERT INTO warehouse.dim_products (durable_key, product_id, product_name, category, price, is_inferred, effective_to)
    SELECT coalesce(k.durable_key, nextval('warehouse.durable_keys')), k.product_id, coalesce(k.product_name, 'Unknown'),
           coalesce(k.category, 'Unknown'), k.price, true, coalesce(k.effective_from, '9999-12-31 00:00:00+00')
    FROM known AS k
    WHERE k.effective_from IS NULL OR k.effective_from > k.event_time
    ORDER BY k.product_id
    RETURNING 1)
  SELECT (SELECT count(*) FROM added), (SELECT array_agg(m.product_key) FROM mended AS m WHERE m.of_other_category) INTO more, mended_keys;
  IF mended_keys IS NOT NULL THEN
    CREATE TEMP TABLE etl_versions_before ON COMMIT DROP AS
    SELECT d.product_key, d.durable_key, d.effective_from, d.effective_to, 'Unknown' AS category
    FROM warehouse.dim_products AS d WHERE d.product_key = ANY (mended_keys);
    ANALYZE pg_temp.etl_versions_before;
    PERFORM globalmart.follow_versions('dim_products', 'product_key');
    DROP TABLE pg_temp.etl_versions_before;
  END IF;
  RETURN inferred + more;
END
$$;
COMMENT ON FUNCTION globalmart.infer_members() IS
  'Adds to the dimensions what the events of the day in hand name and nobody told of; gives how many';

CREATE OR REPLACE FUNCTION globalmart.load_sales(day date, OUT rows_read bigint, OUT rows_written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  starts timestamptz := day::timestamp AT TIME ZONE 'UTC';
  ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  rows_read := (SELECT count(*) FROM pg_temp.etl_day_transaction_items);
  CREATE TEMP TABLE etl_sales ON COMMIT DROP AS
  WITH orders AS (
    -- By SQL an order and its lines can come one after the other: all of an order is looked at again.
    SELECT i.event_time, i.transaction_id FROM pg_temp.etl_day_transaction_items AS i
    UNION
    SELECT t.event_time, t.transaction_id FROM pg_temp.etl_day_transactions AS t),
  discounts AS (
    SELECT DISTINCT ON (t.event_time, t.transaction_id) t.event_time, t.transaction_id, t.discount_amount
    FROM globalmart.transactions AS t JOIN orders AS o ON o.event_time = t.event_time AND o.transaction_id = t.transaction_id
    WHERE t.event_time >= starts AND t.event_time < ends
    ORDER BY t.event_time, t.transaction_id, t.kafka_partition, t.kafka_offset),
  lines AS (
    SELECT DISTINCT ON (i.event_time, i.transaction_id, i.line_no) i.*, (i.quantity * i.price)::numeric(18,2) AS line_revenue
    FROM globalmart.transaction_items AS i JOIN orders AS o ON o.event_time = i.event_time AND o.transaction_id = i.transaction_id
    -- Those behind the span are the next load's, which counts them.
    JOIN globalmart.etl_spans AS s ON s.stream = 'transaction_items' AND s.kafka_partition = i.kafka_partition AND s.until_offset > i.kafka_offset
    WHERE i.event_time >= starts AND i.event_time < ends
    ORDER BY i.event_time, i.transaction_id, i.line_no, i.kafka_partition, i.kafka_offset),
  weighed AS (
    -- Running sums: what is rounded off one line goes to the next, and the last one ends at the whole.
    SELECT x.*, sum(x.weight) OVER (PARTITION BY x.event_time, x.transaction_id) AS whole,
           sum(x.weight) OVER in_order AS until_here, sum(x.weight) OVER in_order - x.weight AS before_here
    FROM (SELECT l.*, CASE WHEN sum(l.line_revenue) OVER (PARTITION BY l.event_time, l.transaction_id) > 0
                           THEN l.line_revenue ELSE 1 END AS weight
          FROM lines AS l) AS x
    WINDOW in_order AS (PARTITION BY x.event_time, x.transaction_id ORDER BY x.line_no))
  SELECT l.event_time, l.transaction_id, l.line_no, globalmart.date_key(day) AS date_key, g.geography_key, c.customer_key, p.product_key,
         l.quantity, l.price AS unit_price, l.line_revenue,
         (round(d.discount_amount * l.until_here / l.whole, 2) - round(d.discount_amount * l.before_here / l.whole, 2))::numeric(18,2) AS discount_share,
         l.payment_method
  FROM weighed AS l
  LEFT JOIN discounts AS d ON d.event_time = l.event_time AND d.transaction_id = l.transaction_id
  JOIN warehouse.dim_geography AS g ON g.country = l.country AND g.effective_from <= l.event_time AND g.effective_to > l.event_time
  JOIN warehouse.dim_customers AS c ON c.user_id = l.user_id AND c.effective_from <= l.event_time AND c.effective_to > l.event_time
  JOIN warehouse.dim_products AS p ON p.product_id = l.product_id AND p.effective_from <= l.event_time AND p.effective_to > l.event_time
  ORDER BY l.event_time, l.transaction_id, l.line_no;
  ANALYZE pg_temp.etl_sales;
  UPDATE warehouse.fact_sales AS f SET discount_share = s.discount_share FROM pg_temp.etl_sales AS s
  WHERE f.event_time = s.event_time AND f.transaction_id = s.transaction_id AND f.line_no = s.line_no
    AND f.event_time >= starts AND f.event_time < ends AND f.discount_share IS DISTINCT FROM s.discount_share;
  rows_written := globalmart.insert_checked('warehouse.fact_sales', 'pg_temp.etl_sales');
  DROP TABLE pg_temp.etl_sales;
END
$$;
COMMENT ON FUNCTION globalmart.load_sales(date) IS 'Loads the order lines of a day in the load under way into fact_sales';

CREATE OR REPLACE FUNCTION globalmart.load_cart_events(day date, OUT rows_read bigint, OUT rows_written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  rows_read := (SELECT count(*) FROM pg_temp.etl_day_cart_events);
  CREATE TEMP TABLE etl_cart_events ON COMMIT DROP AS
  SELECT e.event_time, e.event_id, globalmart.date_key(day) AS date_key, g.geography_key, c.customer_key, coalesce(p.product_key, 0) AS product_key,
         e.session_id, e.event_type, coalesce(e.quantity, e.new_quantity) AS quantity, e.price AS unit_price, e.cart_value
  FROM pg_temp.etl_day_cart_events AS e
  JOIN warehouse.dim_geography AS g ON g.country = e.country AND g.effective_from <= e.event_time AND g.effective_to > e.event_time
  JOIN warehouse.dim_customers AS c ON c.user_id = e.user_id AND c.effective_from <= e.event_time AND c.effective_to > e.event_time
  LEFT JOIN warehouse.dim_products AS p ON p.product_id = e.product_id AND p.effective_from <= e.event_time AND p.effective_to > e.event_time
  ORDER BY e.event_time, e.event_id, e.kafka_partition, e.kafka_offset;
  rows_written := globalmart.insert_checked('warehouse.fact_cart_events', 'pg_temp.etl_cart_events');
  DROP TABLE pg_temp.etl_cart_events;
END
$$;
COMMENT ON FUNCTION globalmart.load_cart_events(date) IS 'Loads the cart events of a day in the load under way into fact_cart_events';

CREATE OR REPLACE FUNCTION globalmart.load_product_views(day date, OUT rows_read bigint, OUT rows_written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  rows_read := (SELECT count(*) FROM pg_temp.etl_day_product_view_events);
  CREATE TEMP TABLE etl_product_views ON COMMIT DROP AS
  SELECT e.event_time, e.event_id, globalmart.date_key(day) AS date_key, g.geography_key, c.customer_key, coalesce(p.product_key, 0) AS product_key,
         e.session_id, e.event_type, e.view_duration, e.from_search, e.search_query, e.results_count
  FROM pg_temp.etl_day_product_view_events AS e
  JOIN warehouse.dim_geography AS g ON g.country = e.country AND g.effective_from <= e.event_time AND g.effective_to > e.event_time
  JOIN warehouse.dim_customers AS c ON c.user_id = e.user_id AND c.effective_from <= e.event_time AND c.effective_to > e.event_time
  LEFT JOIN warehouse.dim_products AS p ON p.product_id = e.product_id AND p.effective_from <= e.event_time AND p.effective_to > e.event_time
  ORDER BY e.event_time, e.event_id, e.kafka_partition, e.kafka_offset;
  rows_written := globalmart.insert_checked('warehouse.fact_product_views', 'pg_temp.etl_product_views');
  DROP TABLE pg_temp.etl_product_views;
END
$$;
COMMENT ON FUNCTION globalmart.load_product_views(date) IS 'Loads the view events of a day in the load under way into fact_product_views';

CREATE OR REPLACE FUNCTION globalmart.load_day(day date, OUT rows_read bigint, OUT rows_written bigint, OUT rows_rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text;
  sales record;
  carts record;
  views record;
BEGIN
  -- Facts are checked against them as they are now. At once, not table by table: whoever changes one and then its
  -- facts would wait for us, and we for him.
  LOCK TABLE warehouse.dim_date, warehouse.dim_geography, warehouse.dim_customers, warehouse.dim_products IN SHARE ROW EXCLUSIVE MODE;
  PERFORM globalmart.make_fact_partitions(day);
  PERFORM globalmart.extend_calendar(day);
  -- Nobody may have analysed the day yet, and a plan for twelve rows takes an hour for a million.
  FOR leaf IN
    SELECT l.leaf FROM unnest('{transactions,transaction_items,cart_events,product_view_events}'::text[]) AS s
    CROSS JOIN LATERAL globalmart.stream_leaves(s) AS l WHERE l.day = load_day.day
  LOOP
    EXECUTE format('ANALYZE globalmart.%I', leaf);
  END LOOP;
  PERFORM globalmart.take_day(day);
  IF globalmart.infer_members() > 1000 THEN
    ANALYZE warehouse.dim_customers, warehouse.dim_products;
  END IF;
  SELECT * INTO sales FROM globalmart.load_sales(day);
  SELECT * INTO carts FROM globalmart.load_cart_events(day);
  SELECT * INTO views FROM globalmart.load_product_views(day);
  rows_read := sales.rows_read + carts.rows_read + views.rows_read;
  rows_written := sales.rows_written + carts.rows_written + views.rows_written;
  -- A line that was redriven since the load began is written with its order, and read by the next load.
  rows_rejected := greatest(sales.rows_read - sales.rows_written, 0) + carts.rows_read - carts.rows_written + views.rows_read - views.rows_written;
  DROP TABLE pg_temp.etl_day_transactions, pg_temp.etl_day_transaction_items, pg_temp.etl_day_cart_events, pg_temp.etl_day_product_view_events;
  UPDATE globalmart.etl_load_days AS l SET loaded = true WHERE l.day = load_day.day;
  -- Carts are in no analysis.
  IF sales.rows_written > 0 THEN
    PERFORM globalmart.mark_for_analysis(ARRAY[day], '{sales,products,rfm}');
  ELSIF views.rows_written > 0 THEN
    PERFORM globalmart.mark_for_analysis(ARRAY[day], '{products}');
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.load_day(date) IS
  'Loads a day of the load under way: partitions, calendar, inferred members and facts, in the caller''s transaction';
