-- How people pay, a quarter of an hour at a time. View payment_mix_15m_share adds the shares of the window.
SELECT globalmart.create_rollup('payment_mix_15m', $$
  SELECT window_start, window_end, payment_method,
         count(*)                         AS transactions,
         sum(total_amount)::numeric(18,2) AS revenue
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end, payment_method
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.payment_mix_15m IS 'Orders and revenue of fifteen minutes and a payment method';
COMMENT ON COLUMN globalmart.payment_mix_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.payment_mix_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.payment_mix_15m.payment_method IS
  'How it was paid (key)';
COMMENT ON COLUMN globalmart.payment_mix_15m.transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.payment_mix_15m.revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.payment_mix_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
