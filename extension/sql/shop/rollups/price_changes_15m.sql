-- How prices moved, a quarter of an hour at a time. Function price_change_impact compares the sales before and after.
SELECT globalmart.create_rollup('price_changes_15m', $$
  SELECT window_start, window_end, product_id,
         count(*)                                                            AS changes,
         globalmart.first_by(old_price, event_time, event_id)::numeric(18,2) AS first_old_price,
         globalmart.last_by(new_price, event_time, event_id)::numeric(18,2)  AS last_new_price
  FROM   globalmart.inventory_events, globalmart.tumble(event_time, interval '15 minutes')
  WHERE  event_type = 'price_change'
  GROUP  BY window_start, window_end, product_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.price_changes_15m IS 'Price changes of fifteen minutes and a product';
COMMENT ON COLUMN globalmart.price_changes_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.price_changes_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.price_changes_15m.product_id IS
  'Product whose price changed (key)';
COMMENT ON COLUMN globalmart.price_changes_15m.changes IS
  'Number of price_change events';
COMMENT ON COLUMN globalmart.price_changes_15m.first_old_price IS
  'Price before the first change of the window, by event time, then event id; money';
COMMENT ON COLUMN globalmart.price_changes_15m.last_new_price IS
  'Price after the last change of the window, by event time, then event id; money';
COMMENT ON COLUMN globalmart.price_changes_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
