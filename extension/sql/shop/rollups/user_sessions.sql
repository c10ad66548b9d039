-- Visits: runs of browsing events of a user that are at most 30 minutes apart, whatever session ids they carry.
SELECT globalmart.create_rollup('user_sessions', $$
  SELECT window_start, window_end, user_id,
         min(event_time)                                       AS session_start,
         max(event_time)                                       AS session_end,
         count(*)                                              AS events,
         count(*) FILTER (WHERE event_type = 'view')           AS views,
         count(*) FILTER (WHERE event_type = 'search')         AS searches,
         globalmart.approx_count_distinct(product_id)
           FILTER (WHERE event_type = 'view')                  AS unique_products_viewed,
         extract(epoch FROM max(event_time) - min(event_time))::double precision AS session_duration_sec
  FROM   globalmart.product_view_events, globalmart.session(event_time, interval '30 minutes')
  GROUP  BY window_start, window_end, user_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.user_sessions IS 'Visits of a user: browsing events at most 30 minutes apart, one row when 30 minutes passed without an event';
COMMENT ON COLUMN globalmart.user_sessions.window_start IS
  'Event time of the first event of the session';
COMMENT ON COLUMN globalmart.user_sessions.window_end IS
  'Event time of the last event of the session plus the gap of 30 minutes';
COMMENT ON COLUMN globalmart.user_sessions.user_id IS
  'User who browsed (key)';
COMMENT ON COLUMN globalmart.user_sessions.session_start IS
  'Event time of the first event';
COMMENT ON COLUMN globalmart.user_sessions.session_end IS
  'Event time of the last event (window_end is the gap later)';
COMMENT ON COLUMN globalmart.user_sessions.events IS
  'Number of events of any type';
COMMENT ON COLUMN globalmart.user_sessions.views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.user_sessions.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.user_sessions.unique_products_viewed IS
  'Distinct products of the view events; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.user_sessions.session_duration_sec IS
  'session_end - session_start, seconds';
COMMENT ON COLUMN globalmart.user_sessions.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
