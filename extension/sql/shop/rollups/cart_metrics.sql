-- Cart events of each country in five minutes, and the share of sessions that added and did not check out.
-- Inside: one row for each (country, user, session) of the window; outside: the countries.
-- The sessions are counted exactly, never by a sketch.
SELECT globalmart.create_rollup('cart_metrics', $$
  SELECT window_start, window_end, country,
         sum(events)::bigint    AS total_cart_events,
         sum(adds)::bigint      AS adds,
         sum(removes)::bigint   AS removes,
         sum(updates)::bigint   AS updates,
         sum(checkouts)::bigint AS checkouts,
         (sum(cart_values) / nullif(sum(values_known), 0))::numeric(18,2) AS avg_cart_value,
         max(max_cart_value)::numeric(18,2)                               AS max_cart_value,
         (100.0 * count(*) FILTER (WHERE adds > 0 AND checkouts = 0)
                / nullif(count(*) FILTER (WHERE adds > 0), 0))::double precision AS abandonment_rate_pct
  FROM  (SELECT window_start, window_end, country, user_id, session_id,
                count(*)                                                AS events,
                count(*) FILTER (WHERE event_type = 'add_to_cart')      AS adds,
                count(*) FILTER (WHERE event_type = 'remove_from_cart') AS removes,
                count(*) FILTER (WHERE event_type = 'update_quantity')  AS updates,
                count(*) FILTER (WHERE event_type = 'checkout')         AS checkouts,
                sum(cart_value)                                         AS cart_values,
                count(cart_value)                                       AS values_known,
                max(cart_value)                                         AS max_cart_value
         FROM   globalmart.cart_events, globalmart.tumble(event_time, interval '5 minutes')
         GROUP  BY window_start, window_end, country, user_id, session_id) AS sessions
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.cart_metrics IS 'Cart events and abandonment rate of five minutes and a country';
COMMENT ON COLUMN globalmart.cart_metrics.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.cart_metrics.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.cart_metrics.country IS
  'Country of the event (key)';
COMMENT ON COLUMN globalmart.cart_metrics.total_cart_events IS
  'Number of cart events of any type, cart_abandonment included';
COMMENT ON COLUMN globalmart.cart_metrics.adds IS
  'Number of add_to_cart events';
COMMENT ON COLUMN globalmart.cart_metrics.removes IS
  'Number of remove_from_cart events';
COMMENT ON COLUMN globalmart.cart_metrics.updates IS
  'Number of update_quantity events';
COMMENT ON COLUMN globalmart.cart_metrics.checkouts IS
  'Number of checkout events';
COMMENT ON COLUMN globalmart.cart_metrics.avg_cart_value IS
  'Average value of the cart over the events that know it; money, rounded to the cent, NULL when none does';
COMMENT ON COLUMN globalmart.cart_metrics.max_cart_value IS
  'Greatest known value of a cart; money, NULL when no event told one';
COMMENT ON COLUMN globalmart.cart_metrics.abandonment_rate_pct IS
  'Percent: of the (user, session) pairs with an add in this window and country, those without a checkout in it; exact; NULL when there was no add';
COMMENT ON COLUMN globalmart.cart_metrics.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
