-- Orders, revenue and customers of the whole shop, a quarter of an hour at a time.
SELECT globalmart.create_rollup('revenue_15m', $$
  SELECT window_start, window_end,
         count(*)                                  AS transactions,
         sum(total_amount)::numeric(18,2)          AS revenue,
         avg(total_amount)::numeric(18,2)          AS avg_order_value,
         max(total_amount)::numeric(18,2)          AS max_order_value,
         globalmart.approx_count_distinct(user_id) AS unique_customers
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.revenue_15m IS 'Orders, revenue and customers of fifteen minutes';
COMMENT ON COLUMN globalmart.revenue_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.revenue_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.revenue_15m.transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.revenue_15m.revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.revenue_15m.avg_order_value IS
  'revenue / transactions; money, rounded to the cent';
COMMENT ON COLUMN globalmart.revenue_15m.max_order_value IS
  'Greatest total_amount; money';
COMMENT ON COLUMN globalmart.revenue_15m.unique_customers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.revenue_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
