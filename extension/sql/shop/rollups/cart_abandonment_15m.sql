-- The share of sessions that added to a cart and did not check out, a quarter of an hour at a time.
-- Inside: one row for each (user, session) of the window; outside: the shop. Exact, never a sketch.
SELECT globalmart.create_rollup('cart_abandonment_15m', $$
  SELECT window_start, window_end,
         count(*) FILTER (WHERE adds > 0)                   AS sessions_with_add,
         count(*) FILTER (WHERE adds > 0 AND checkouts = 0) AS sessions_without_checkout,
         (100.0 * count(*) FILTER (WHERE adds > 0 AND checkouts = 0)
                / nullif(count(*) FILTER (WHERE adds > 0), 0))::double precision AS abandonment_rate_pct
  FROM  (SELECT window_start, window_end, user_id, session_id,
                count(*) FILTER (WHERE event_type = 'add_to_cart') AS adds,
                count(*) FILTER (WHERE event_type = 'checkout')    AS checkouts
         FROM   globalmart.cart_events, globalmart.tumble(event_time, interval '15 minutes')
         GROUP  BY window_start, window_end, user_id, session_id) AS sessions
  GROUP  BY window_start, window_end
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.cart_abandonment_15m IS 'Sessions that added to a cart and did not check out, in fifteen minutes';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.sessions_with_add IS
  '(user, session) pairs with an add_to_cart event in this window; exact';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.sessions_without_checkout IS
  'Those of them without a checkout event in this window; exact';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.abandonment_rate_pct IS
  'Percent: 100 x sessions_without_checkout / sessions_with_add; NULL when no session added';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
