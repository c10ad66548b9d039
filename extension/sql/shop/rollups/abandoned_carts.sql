-- Carts that were left with something in them. A cart is one session window of one (user, session);
-- every cart event prolongs it, and whoever comes back after the gap has a new cart.
-- Of the events that decide (an add, an abandonment, a checkout) the latest must not be the checkout;
-- a cart whose latest known value is 0 was emptied, not abandoned.
SELECT globalmart.create_rollup('abandoned_carts', $$
  SELECT window_start, window_end, user_id, session_id,
         globalmart.first_by(country, event_time, event_id)                  AS country,
         count(*) FILTER (WHERE event_type = 'add_to_cart')                  AS items_added,
         globalmart.last_by(cart_value, event_time, event_id)::numeric(18,2) AS abandoned_cart_value,
         max(event_time)                                                     AS last_activity,
         count(*)                                                            AS total_events,
         globalmart.processing_time()                                        AS abandonment_detected_at
  FROM   globalmart.cart_events, globalmart.session(event_time, interval '30 minutes')
  GROUP  BY window_start, window_end, user_id, session_id
  HAVING globalmart.last_by(event_type, event_time, event_id)
           FILTER (WHERE event_type IN ('add_to_cart', 'cart_abandonment', 'checkout')) <> 'checkout'
     AND globalmart.last_by(cart_value, event_time, event_id) IS DISTINCT FROM 0
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.abandoned_carts IS 'Carts without a later checkout, one row when 30 minutes passed without an event; emptied carts are left out';
COMMENT ON COLUMN globalmart.abandoned_carts.window_start IS
  'Event time of the first event of the session';
COMMENT ON COLUMN globalmart.abandoned_carts.window_end IS
  'Event time of the last event of the session plus the gap of 30 minutes';
COMMENT ON COLUMN globalmart.abandoned_carts.user_id IS
  'User of the session (key)';
COMMENT ON COLUMN globalmart.abandoned_carts.session_id IS
  'Session (key, with user_id)';
COMMENT ON COLUMN globalmart.abandoned_carts.country IS
  'Country of the first event of the group, by event time, then event id';
COMMENT ON COLUMN globalmart.abandoned_carts.items_added IS
  'Number of add_to_cart events in the cart (events, not units)';
COMMENT ON COLUMN globalmart.abandoned_carts.abandoned_cart_value IS
  'Latest known value of the cart; money, NULL when no event told it';
COMMENT ON COLUMN globalmart.abandoned_carts.last_activity IS
  'Event time of the last event of the cart';
COMMENT ON COLUMN globalmart.abandoned_carts.total_events IS
  'Number of cart events of any type';
COMMENT ON COLUMN globalmart.abandoned_carts.abandonment_detected_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.abandoned_carts.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
