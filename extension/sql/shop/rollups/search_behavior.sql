-- What was searched for three times or more in a country in five minutes, and how often nothing was found.
SELECT globalmart.create_rollup('search_behavior', $$
  SELECT window_start, window_end, search_query, country,
         count(*)                                   AS search_count,
         globalmart.approx_count_distinct(user_id)  AS unique_searchers,
         avg(results_count)::double precision       AS avg_results,
         count(*) FILTER (WHERE results_count = 0)  AS zero_result_count
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '5 minutes')
  WHERE  event_type = 'search' AND search_query IS NOT NULL
  GROUP  BY window_start, window_end, search_query, country
  HAVING count(*) >= 3
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.search_behavior IS 'Queries with 3 searches or more in five minutes and a country';
COMMENT ON COLUMN globalmart.search_behavior.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.search_behavior.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.search_behavior.search_query IS
  'Text searched for (key), compared byte for byte';
COMMENT ON COLUMN globalmart.search_behavior.country IS
  'Country of the search (key)';
COMMENT ON COLUMN globalmart.search_behavior.search_count IS
  'Number of search events; 3 or more';
COMMENT ON COLUMN globalmart.search_behavior.unique_searchers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.search_behavior.avg_results IS
  'Average number of results; NULL when no search tells it';
COMMENT ON COLUMN globalmart.search_behavior.zero_result_count IS
  'Number of searches that found nothing';
COMMENT ON COLUMN globalmart.search_behavior.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
