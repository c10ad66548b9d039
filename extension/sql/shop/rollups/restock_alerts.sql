-- Products that a country sells at one unit a minute or more over five minutes: medium from 2, high from 3.
-- The rate is compared exactly, as units >= rate x minutes; the minutes are those of the window, whatever its width.
SELECT globalmart.create_rollup('restock_alerts', $$
  SELECT window_start, window_end, product_id, country, units_sold,
         (units_sold / minutes)::double precision AS sales_rate_per_min,
         CASE WHEN units_sold >= 3 * minutes THEN 'high'
              WHEN units_sold >= 2 * minutes THEN 'medium'
              ELSE 'low' END                      AS urgency,
         globalmart.processing_time()             AS alert_generated_at
  FROM  (SELECT window_start, window_end, product_id, country,
                extract(epoch FROM window_end - window_start) / 60 AS minutes,
                sum(quantity)                                      AS units_sold
         FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '5 minutes')
         GROUP  BY window_start, window_end, product_id, country) AS sales
  WHERE  units_sold >= 1 * minutes
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.restock_alerts IS 'Products that sell at 1 unit a minute or more over five minutes in a country';
COMMENT ON COLUMN globalmart.restock_alerts.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.restock_alerts.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.restock_alerts.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.restock_alerts.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.restock_alerts.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.restock_alerts.sales_rate_per_min IS
  'units_sold / minutes of the window; units a minute, 1 or more';
COMMENT ON COLUMN globalmart.restock_alerts.urgency IS
  'low from 1 unit a minute, medium from 2, high from 3';
COMMENT ON COLUMN globalmart.restock_alerts.alert_generated_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.restock_alerts.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
