-- Orders and revenue of each country, minute by minute.
SELECT globalmart.create_rollup('sales_by_country', $$
  SELECT window_start, window_end, country,
         count(*)                         AS total_transactions,
         sum(total_amount)::numeric(18,2) AS total_revenue,
         avg(total_amount)::numeric(18,2) AS avg_order_value
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.sales_by_country IS 'Orders and revenue a minute and country';
COMMENT ON COLUMN globalmart.sales_by_country.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.sales_by_country.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.sales_by_country.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.sales_by_country.total_transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.sales_by_country.total_revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.sales_by_country.avg_order_value IS
  'total_revenue / total_transactions; money, rounded to the cent';
COMMENT ON COLUMN globalmart.sales_by_country.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
