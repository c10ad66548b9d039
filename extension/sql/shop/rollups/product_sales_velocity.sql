-- How fast each product sells, five minutes at a time.
SELECT globalmart.create_rollup('product_sales_velocity', $$
  SELECT window_start, window_end, product_id,
         sum(quantity)                                                  AS units_sold,
         sum(quantity * price)::numeric(18,2)                           AS total_revenue,
         (sum(quantity * price) / nullif(sum(quantity), 0))::numeric(18,2) AS avg_price
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, product_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.product_sales_velocity IS 'Units and revenue of five minutes and a product';
COMMENT ON COLUMN globalmart.product_sales_velocity.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.product_sales_velocity.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.product_sales_velocity.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.product_sales_velocity.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.product_sales_velocity.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.product_sales_velocity.avg_price IS
  'total_revenue / units_sold; money, rounded to the cent';
COMMENT ON COLUMN globalmart.product_sales_velocity.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
