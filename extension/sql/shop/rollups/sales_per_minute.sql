-- Orders and revenue of the whole shop, minute by minute.
SELECT globalmart.create_rollup('sales_per_minute', $$
  SELECT window_start, window_end,
         count(*)                         AS total_transactions,
         sum(total_amount)::numeric(18,2) AS total_revenue,
         avg(total_amount)::numeric(18,2) AS avg_order_value
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.sales_per_minute IS 'Orders and revenue a minute, all countries together';
COMMENT ON COLUMN globalmart.sales_per_minute.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.sales_per_minute.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.sales_per_minute.total_transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.sales_per_minute.total_revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.sales_per_minute.avg_order_value IS
  'total_revenue / total_transactions; money, rounded to the cent';
COMMENT ON COLUMN globalmart.sales_per_minute.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
