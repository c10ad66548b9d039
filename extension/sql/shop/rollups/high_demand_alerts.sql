-- Products of which 20 units or more were sold in ten minutes: high from 30, critical from 50.
SELECT globalmart.create_rollup('high_demand_alerts', $$
  SELECT window_start, window_end, product_id,
         sum(quantity)                        AS units_sold,
         sum(quantity * price)::numeric(18,2) AS total_revenue,
         CASE WHEN sum(quantity) >= 50 THEN 'critical'
              WHEN sum(quantity) >= 30 THEN 'high'
              ELSE 'medium' END               AS demand_level,
         globalmart.processing_time()         AS alert_generated_at
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '10 minutes')
  GROUP  BY window_start, window_end, product_id
  HAVING sum(quantity) >= 20
$$, lateness => interval '10 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.high_demand_alerts IS 'Products with 20 units or more sold in ten minutes';
COMMENT ON COLUMN globalmart.high_demand_alerts.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.high_demand_alerts.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.high_demand_alerts.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.high_demand_alerts.units_sold IS
  'Units sold; 20 or more';
COMMENT ON COLUMN globalmart.high_demand_alerts.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.high_demand_alerts.demand_level IS
  'medium from 20 units, high from 30, critical from 50';
COMMENT ON COLUMN globalmart.high_demand_alerts.alert_generated_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.high_demand_alerts.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
