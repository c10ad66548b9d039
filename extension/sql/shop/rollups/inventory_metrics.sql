-- What each country sold, minute by minute, and how many lines moved ten units or more.
SELECT globalmart.create_rollup('inventory_metrics', $$
  SELECT window_start, window_end, country,
         sum(quantity)                                AS total_units_sold,
         globalmart.approx_count_distinct(product_id) AS unique_products_sold,
         sum(quantity * price)::numeric(18,2)         AS total_revenue,
         count(*) FILTER (WHERE quantity >= 10)       AS fast_moving_products
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.inventory_metrics IS 'Units, products and revenue a minute and country';
COMMENT ON COLUMN globalmart.inventory_metrics.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.inventory_metrics.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.inventory_metrics.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.inventory_metrics.total_units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.inventory_metrics.unique_products_sold IS
  'Distinct products; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.inventory_metrics.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.inventory_metrics.fast_moving_products IS
  'Number of order lines of 10 units or more (lines, not distinct products)';
COMMENT ON COLUMN globalmart.inventory_metrics.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
