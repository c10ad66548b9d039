-- Products that were viewed five times or more in ten minutes. Name, category and price are the latest seen.
SELECT globalmart.create_rollup('trending_products', $$
  SELECT window_start, window_end, product_id,
         globalmart.last_by(product_name, event_time, event_id)         AS product_name,
         globalmart.last_by(category, event_time, event_id)             AS category,
         count(*)                                                       AS view_count,
         globalmart.approx_count_distinct(user_id)                      AS unique_viewers,
         avg(view_duration)::double precision                           AS avg_view_duration,
         globalmart.last_by(price, event_time, event_id)::numeric(18,2) AS product_price,
         globalmart.processing_time()                                   AS analyzed_at
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '10 minutes')
  WHERE  event_type = 'view' AND product_id IS NOT NULL
  GROUP  BY window_start, window_end, product_id
  HAVING count(*) >= 5
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.trending_products IS 'Products with 5 views or more in ten minutes';
COMMENT ON COLUMN globalmart.trending_products.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.trending_products.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.trending_products.product_id IS
  'Product viewed (key)';
COMMENT ON COLUMN globalmart.trending_products.product_name IS
  'Latest known name, by event time, then event id';
COMMENT ON COLUMN globalmart.trending_products.category IS
  'Latest known category, by event time, then event id';
COMMENT ON COLUMN globalmart.trending_products.view_count IS
  'Number of view events; 5 or more';
COMMENT ON COLUMN globalmart.trending_products.unique_viewers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.trending_products.avg_view_duration IS
  'Average duration of a view, seconds; NULL when no view tells its duration';
COMMENT ON COLUMN globalmart.trending_products.product_price IS
  'Latest known price, by event time, then event id; money';
COMMENT ON COLUMN globalmart.trending_products.analyzed_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.trending_products.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
