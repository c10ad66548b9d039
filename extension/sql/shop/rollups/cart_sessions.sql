-- What each cart session did in five minutes.
SELECT globalmart.create_rollup('cart_sessions', $$
  SELECT window_start, window_end, user_id, session_id,
         globalmart.first_by(country, event_time, event_id)          AS country,
         count(*) FILTER (WHERE event_type = 'add_to_cart')          AS add_count,
         count(*) FILTER (WHERE event_type = 'remove_from_cart')     AS remove_count,
         count(*) FILTER (WHERE event_type = 'update_quantity')      AS update_count,
         count(*) FILTER (WHERE event_type = 'checkout')             AS checkout_count,
         max(cart_value)::numeric(18,2)                              AS max_cart_value,
         max(event_time)                                             AS last_activity,
         count(*)                                                    AS total_events,
         count(*) FILTER (WHERE event_type = 'checkout') > 0         AS session_completed
  FROM   globalmart.cart_events, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, user_id, session_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.cart_sessions IS 'Cart events of a session in five minutes; a session is a (user_id, session_id)';
COMMENT ON COLUMN globalmart.cart_sessions.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.cart_sessions.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.cart_sessions.user_id IS
  'User of the session (key)';
COMMENT ON COLUMN globalmart.cart_sessions.session_id IS
  'Session (key, with user_id)';
COMMENT ON COLUMN globalmart.cart_sessions.country IS
  'Country of the first event of the group, by event time, then event id';
COMMENT ON COLUMN globalmart.cart_sessions.add_count IS
  'Number of add_to_cart events';
COMMENT ON COLUMN globalmart.cart_sessions.remove_count IS
  'Number of remove_from_cart events';
COMMENT ON COLUMN globalmart.cart_sessions.update_count IS
  'Number of update_quantity events';
COMMENT ON COLUMN globalmart.cart_sessions.checkout_count IS
  'Number of checkout events';
COMMENT ON COLUMN globalmart.cart_sessions.max_cart_value IS
  'Greatest known value of the cart; money, NULL when no event told it';
COMMENT ON COLUMN globalmart.cart_sessions.last_activity IS
  'Event time of the last event in this window';
COMMENT ON COLUMN globalmart.cart_sessions.total_events IS
  'Number of cart events of any type, cart_abandonment included';
COMMENT ON COLUMN globalmart.cart_sessions.session_completed IS
  'Whether there was a checkout in this window';
COMMENT ON COLUMN globalmart.cart_sessions.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
