-- Facts, partitioned by UTC month of event time. The natural keys lead with event_time, so that a night's rows
-- go to one end of their index; they make a reload harmless and absorb repeated events.
CREATE TABLE IF NOT EXISTS warehouse.fact_sales (
  event_time     timestamptz NOT NULL,
  transaction_id uuid NOT NULL,
  line_no        int NOT NULL,
  date_key       int NOT NULL REFERENCES warehouse.dim_date,
  geography_key  int NOT NULL REFERENCES warehouse.dim_geography,
  customer_key   bigint NOT NULL REFERENCES warehouse.dim_customers,
  product_key    bigint NOT NULL REFERENCES warehouse.dim_products,
  quantity       int NOT NULL,
  unit_price     numeric(18,2) NOT NULL,
  line_revenue   numeric(18,2) NOT NULL,
  discount_share numeric(18,2),
  payment_method text NOT NULL,
  UNIQUE (event_time, transaction_id, line_no)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE warehouse.fact_sales IS 'Sales, a row an order line, partitioned by UTC month';
COMMENT ON COLUMN warehouse.fact_sales.event_time IS 'When the order was placed';
COMMENT ON COLUMN warehouse.fact_sales.transaction_id IS 'The order';
COMMENT ON COLUMN warehouse.fact_sales.line_no IS 'Number of the line in its order, from 1';
COMMENT ON COLUMN warehouse.fact_sales.quantity IS 'Units sold';
COMMENT ON COLUMN warehouse.fact_sales.unit_price IS 'Price of one unit; money';
COMMENT ON COLUMN warehouse.fact_sales.line_revenue IS 'quantity x unit_price, before discount; money';
COMMENT ON COLUMN warehouse.fact_sales.discount_share IS 'The line''s share of the discount of its order, by line_revenue: the shares of an order add up to its discount; money; NULL: not told';
COMMENT ON COLUMN warehouse.fact_sales.payment_method IS 'How the order was paid';

CREATE TABLE IF NOT EXISTS warehouse.fact_cart_events (
  event_time    timestamptz NOT NULL,
  event_id      uuid NOT NULL,
  date_key      int NOT NULL REFERENCES warehouse.dim_date,
  geography_key int NOT NULL REFERENCES warehouse.dim_geography,
  customer_key  bigint NOT NULL REFERENCES warehouse.dim_customers,
  product_key   bigint NOT NULL REFERENCES warehouse.dim_products,
  session_id    uuid NOT NULL,
  event_type    text NOT NULL,
  quantity      int,
  unit_price    numeric(18,2),
  cart_value    numeric(18,2),
  UNIQUE (event_time, event_id)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE warehouse.fact_cart_events IS 'What happened to carts, a row an event, partitioned by UTC month';
COMMENT ON COLUMN warehouse.fact_cart_events.event_time IS 'When it happened';
COMMENT ON COLUMN warehouse.fact_cart_events.event_id IS 'The event';
COMMENT ON COLUMN warehouse.fact_cart_events.session_id IS 'With the customer, the session that the cart belongs to';
COMMENT ON COLUMN warehouse.fact_cart_events.event_type IS 'add_to_cart, remove_from_cart, update_quantity, checkout or cart_abandonment';
COMMENT ON COLUMN warehouse.fact_cart_events.quantity IS 'Units put in or taken out; of an update, units after it';
COMMENT ON COLUMN warehouse.fact_cart_events.unit_price IS 'Price of one unit; money';
COMMENT ON COLUMN warehouse.fact_cart_events.cart_value IS 'Value of the cart after the event; money. A level: to be averaged, never summed';

CREATE TABLE IF NOT EXISTS warehouse.fact_product_views (
  event_time    timestamptz NOT NULL,
  event_id      uuid NOT NULL,
  date_key      int NOT NULL REFERENCES warehouse.dim_date,
  geography_key int NOT NULL REFERENCES warehouse.dim_geography,
  customer_key  bigint NOT NULL REFERENCES warehouse.dim_customers,
  product_key   bigint NOT NULL REFERENCES warehouse.dim_products,
  session_id    uuid NOT NULL,
  event_type    text NOT NULL,
  view_duration numeric(10,6),
  from_search   boolean,
  search_query  text,
  results_count int,
  UNIQUE (event_time, event_id)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE warehouse.fact_product_views IS 'Views, searches, filters and comparisons, a row an event, partitioned by UTC month';
COMMENT ON COLUMN warehouse.fact_product_views.event_time IS 'When it happened';
COMMENT ON COLUMN warehouse.fact_product_views.event_id IS 'The event';
COMMENT ON COLUMN warehouse.fact_product_views.session_id IS 'With the customer, the session that the event belongs to';
COMMENT ON COLUMN warehouse.fact_product_views.event_type IS 'view, search, filter or compare';
COMMENT ON COLUMN warehouse.fact_product_views.view_duration IS 'How long the product was looked at; seconds; views only';
COMMENT ON COLUMN warehouse.fact_product_views.from_search IS 'Whether the customer came from a search';
COMMENT ON COLUMN warehouse.fact_product_views.search_query IS 'What was searched for';
COMMENT ON COLUMN warehouse.fact_product_views.results_count IS 'Results of a search or filter';

DO $setup$
DECLARE
  fact text;
BEGIN
  FOREACH fact IN ARRAY ARRAY['fact_sales', 'fact_cart_events', 'fact_product_views'] LOOP
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.date_key IS %L', fact, 'UTC day of the event');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.geography_key IS %L', fact, 'Country of the event, in its version then');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.customer_key IS %L', fact, 'Customer, in the version in force at event_time');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.product_key IS %L', fact, 'Product, in the version in force at event_time; 0: about no one product');
    -- A catalogue change that comes late moves the facts of its span to the new version: by these.
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON warehouse.%I (customer_key)', fact || '_customer', fact);
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON warehouse.%I (product_key)', fact || '_product', fact);
    -- A question for a day reads that day, and not the history.
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON warehouse.%I USING brin (date_key)', fact || '_date', fact);
  END LOOP;
END
$setup$;

CREATE OR REPLACE FUNCTION globalmart.make_fact_partitions(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  month timestamp := date_trunc('month', day::timestamp);
  fact text;
  leaf text;
BEGIN
  FOREACH fact IN ARRAY ARRAY['fact_sales', 'fact_cart_events', 'fact_product_views'] LOOP
    leaf := fact || to_char(month, '"_m"YYYYMM');
    CONTINUE WHEN to_regclass('warehouse.' || quote_ident(leaf)) IS NOT NULL;
    -- Made apart and attached: a reader of the root is not waited for, and a dashboard does not stop.
    EXECUTE format('CREATE TABLE warehouse.%I (LIKE warehouse.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', leaf, fact);
    EXECUTE format('ALTER TABLE warehouse.%I ATTACH PARTITION warehouse.%I FOR VALUES FROM (%L) TO (%L)', fact, leaf,
                   month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    EXECUTE format('ALTER TABLE warehouse.%I OWNER TO globalmart_owner', leaf);
    EXECUTE format('GRANT SELECT ON warehouse.%I TO globalmart_reader, globalmart_analyst', leaf);
    EXECUTE format('COMMENT ON TABLE warehouse.%I IS %L', leaf, format('%s of %s', fact, to_char(month, 'YYYY-MM')));
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.make_fact_partitions(date) IS 'Makes the partitions of the fact tables for the month of a day, where they are not there';
