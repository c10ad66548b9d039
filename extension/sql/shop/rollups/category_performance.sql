-- Views of each category in each country, five minutes at a time.
SELECT globalmart.create_rollup('category_performance', $$
  SELECT window_start, window_end, category, country,
         count(*)                                     AS total_views,
         globalmart.approx_count_distinct(user_id)    AS unique_users,
         globalmart.approx_count_distinct(product_id) AS unique_products,
         avg(view_duration)::double precision         AS avg_view_duration,
         avg(price)::numeric(18,2)                    AS avg_product_price
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '5 minutes')
  WHERE  event_type = 'view' AND category IS NOT NULL
  GROUP  BY window_start, window_end, category, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.category_performance IS 'Views of five minutes, a category and a country';
COMMENT ON COLUMN globalmart.category_performance.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.category_performance.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.category_performance.category IS
  'Category viewed (key), compared byte for byte';
COMMENT ON COLUMN globalmart.category_performance.country IS
  'Country of the view (key)';
COMMENT ON COLUMN globalmart.category_performance.total_views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.category_performance.unique_users IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.category_performance.unique_products IS
  'Distinct products; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.category_performance.avg_view_duration IS
  'Average duration of a view, seconds; NULL when no view tells its duration';
COMMENT ON COLUMN globalmart.category_performance.avg_product_price IS
  'Average price over the views (not over the products); money, rounded to the cent';
COMMENT ON COLUMN globalmart.category_performance.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
