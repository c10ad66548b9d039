-- How the stock of each product in each country moved, a quarter of an hour at a time. View stock_levels has the current ones.
SELECT globalmart.create_rollup('stock_levels_15m', $$
  SELECT window_start, window_end, product_id, country,
         count(*)                                                      AS updates,
         min(stock_level)::bigint                                      AS min_stock_level,
         globalmart.last_by(stock_level, event_time, event_id)::bigint AS last_stock_level
  FROM   globalmart.inventory_events, globalmart.tumble(event_time, interval '15 minutes')
  WHERE  event_type = 'stock_update' AND country IS NOT NULL
  GROUP  BY window_start, window_end, product_id, country
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.stock_levels_15m IS 'Stock updates of fifteen minutes, a product and a country';
COMMENT ON COLUMN globalmart.stock_levels_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.stock_levels_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.stock_levels_15m.product_id IS
  'Product in stock (key)';
COMMENT ON COLUMN globalmart.stock_levels_15m.country IS
  'Country of the stock (key)';
COMMENT ON COLUMN globalmart.stock_levels_15m.updates IS
  'Number of stock_update events';
COMMENT ON COLUMN globalmart.stock_levels_15m.min_stock_level IS
  'Least stock told in this window, units';
COMMENT ON COLUMN globalmart.stock_levels_15m.last_stock_level IS
  'Latest stock told in this window, units, by event time, then event id';
COMMENT ON COLUMN globalmart.stock_levels_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
