-- Who browses, country by country, a quarter of an hour at a time.
-- A session is a (user, session id); an id is always 36 characters as text, so the two joined stay distinct.
SELECT globalmart.create_rollup('activity_15m', $$
  SELECT window_start, window_end, country,
         count(*) FILTER (WHERE event_type = 'view')                        AS views,
         count(*) FILTER (WHERE event_type = 'search')                      AS searches,
         count(*) FILTER (WHERE event_type = 'filter')                      AS filters,
         count(*) FILTER (WHERE event_type = 'compare')                     AS compares,
         globalmart.approx_count_distinct(user_id)                          AS unique_users,
         globalmart.approx_count_distinct(user_id || session_id::text)      AS unique_sessions
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.activity_15m IS 'Browsing events, users and sessions of fifteen minutes and a country';
COMMENT ON COLUMN globalmart.activity_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.activity_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.activity_15m.country IS
  'Country of the event (key)';
COMMENT ON COLUMN globalmart.activity_15m.views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.activity_15m.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.activity_15m.filters IS
  'Number of filter events';
COMMENT ON COLUMN globalmart.activity_15m.compares IS
  'Number of compare events';
COMMENT ON COLUMN globalmart.activity_15m.unique_users IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.activity_15m.unique_sessions IS
  'Distinct sessions, each a (user_id, session_id); approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.activity_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
