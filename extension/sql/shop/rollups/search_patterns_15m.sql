-- What people search for, a quarter of an hour at a time, and how often nothing was found.
SELECT globalmart.create_rollup('search_patterns_15m', $$
  SELECT window_start, window_end, search_query,
         count(*)                                   AS searches,
         globalmart.approx_count_distinct(user_id)  AS unique_searchers,
         count(*) FILTER (WHERE results_count = 0)  AS zero_result_searches
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '15 minutes')
  WHERE  event_type = 'search' AND search_query IS NOT NULL
  GROUP  BY window_start, window_end, search_query
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.search_patterns_15m IS 'Searches of fifteen minutes and a query';
COMMENT ON COLUMN globalmart.search_patterns_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.search_patterns_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.search_patterns_15m.search_query IS
  'Text searched for (key), compared byte for byte';
COMMENT ON COLUMN globalmart.search_patterns_15m.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.search_patterns_15m.unique_searchers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.search_patterns_15m.zero_result_searches IS
  'Number of searches that found nothing';
COMMENT ON COLUMN globalmart.search_patterns_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
