-- What each browsing session did in five minutes.
SELECT globalmart.create_rollup('browsing_sessions', $$
  SELECT window_start, window_end, user_id, session_id,
         globalmart.first_by(country, event_time, event_id)    AS country,
         count(*) FILTER (WHERE event_type = 'view')           AS views,
         count(*) FILTER (WHERE event_type = 'search')         AS searches,
         count(*) FILTER (WHERE event_type = 'filter')         AS filters,
         count(*) FILTER (WHERE event_type = 'compare')        AS compares,
         globalmart.approx_count_distinct(product_id)
           FILTER (WHERE event_type = 'view')                  AS unique_products_viewed,
         (avg(view_duration) FILTER (WHERE event_type = 'view'))::double precision AS avg_view_duration,
         min(event_time)                                       AS first_activity,
         max(event_time)                                       AS last_activity,
         count(*)                                              AS total_events,
         extract(epoch FROM max(event_time) - min(event_time))::double precision AS session_duration_sec
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, user_id, session_id
$$, lateness => interval '10 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.browsing_sessions IS 'Browsing events of a session in five minutes; a session is a (user_id, session_id)';
COMMENT ON COLUMN globalmart.browsing_sessions.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.browsing_sessions.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.browsing_sessions.user_id IS
  'User of the session (key)';
COMMENT ON COLUMN globalmart.browsing_sessions.session_id IS
  'Session (key, with user_id)';
COMMENT ON COLUMN globalmart.browsing_sessions.country IS
  'Country of the first event of the group, by event time, then event id';
COMMENT ON COLUMN globalmart.browsing_sessions.views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.browsing_sessions.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.browsing_sessions.filters IS
  'Number of filter events';
COMMENT ON COLUMN globalmart.browsing_sessions.compares IS
  'Number of compare events';
COMMENT ON COLUMN globalmart.browsing_sessions.unique_products_viewed IS
  'Distinct products of the view events; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.browsing_sessions.avg_view_duration IS
  'Average duration of a view, seconds; NULL when there was none';
COMMENT ON COLUMN globalmart.browsing_sessions.first_activity IS
  'Event time of the first event in this window';
COMMENT ON COLUMN globalmart.browsing_sessions.last_activity IS
  'Event time of the last event in this window';
COMMENT ON COLUMN globalmart.browsing_sessions.total_events IS
  'Number of events of any type';
COMMENT ON COLUMN globalmart.browsing_sessions.session_duration_sec IS
  'last_activity - first_activity, seconds: what falls into this window';
COMMENT ON COLUMN globalmart.browsing_sessions.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
