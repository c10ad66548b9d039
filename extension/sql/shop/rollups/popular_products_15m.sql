-- What sells, a quarter of an hour at a time. Orders are counted exactly: a product may stand on several lines of one.
SELECT globalmart.create_rollup('popular_products_15m', $$
  SELECT window_start, window_end, product_id,
         count(DISTINCT transaction_id)       AS orders,
         sum(quantity)                        AS units_sold,
         sum(quantity * price)::numeric(18,2) AS total_revenue
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end, product_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.popular_products_15m IS 'Orders, units and revenue of fifteen minutes and a product';
COMMENT ON COLUMN globalmart.popular_products_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.popular_products_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.popular_products_15m.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.popular_products_15m.orders IS
  'Distinct orders with this product, exact';
COMMENT ON COLUMN globalmart.popular_products_15m.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.popular_products_15m.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.popular_products_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
