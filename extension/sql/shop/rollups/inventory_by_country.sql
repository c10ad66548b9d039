-- Where each product sells, five minutes at a time.
SELECT globalmart.create_rollup('inventory_by_country', $$
  SELECT window_start, window_end, product_id, country,
         sum(quantity)                        AS units_sold,
         sum(quantity * price)::numeric(18,2) AS total_revenue
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, product_id, country
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.inventory_by_country IS 'Units and revenue of five minutes, a product and a country';
COMMENT ON COLUMN globalmart.inventory_by_country.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.inventory_by_country.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.inventory_by_country.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.inventory_by_country.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.inventory_by_country.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.inventory_by_country.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.inventory_by_country.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
