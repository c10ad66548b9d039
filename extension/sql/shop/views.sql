-- Views and a function over the shop's tables.

CREATE OR REPLACE VIEW globalmart.recent_critical_anomalies AS
SELECT source, transaction_id, user_id, product_id, country, event_time,
       severity, anomaly_type, anomaly_reason, detected_at
FROM  (SELECT 'high_value_anomalies' AS source, transaction_id, NULL::integer AS line_no, user_id,
              NULL::text AS product_id, country, event_time,
              severity, anomaly_type, anomaly_reason, detected_at
       FROM   globalmart.high_value_anomalies
       UNION ALL
       SELECT 'high_quantity_anomalies', transaction_id, line_no, user_id,
              product_id, country, event_time,
              severity, anomaly_type, anomaly_reason, detected_at
       FROM   globalmart.high_quantity_anomalies
       UNION ALL
       SELECT 'suspicious_patterns', NULL::uuid, NULL::integer, user_id,
              NULL::text, country, last_transaction,
              severity, anomaly_type, anomaly_reason, detected_at
       FROM   globalmart.suspicious_patterns) AS anomalies
WHERE  severity = 'critical'
ORDER  BY event_time DESC, detected_at, transaction_id, line_no NULLS FIRST, user_id;
COMMENT ON VIEW globalmart.recent_critical_anomalies IS
  'The critical rows of high_value_anomalies, high_quantity_anomalies and suspicious_patterns, latest event time first';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.source IS
  'The table that the row is from';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.transaction_id IS
  'The order; NULL for suspicious_patterns';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.product_id IS
  'Product of the line; only for high_quantity_anomalies';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.country IS
  'Country of the order; of the first one for suspicious_patterns';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.event_time IS
  'Event time of the order; of the last one for suspicious_patterns';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.severity IS
  'Always critical';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.anomaly_type IS
  'high_value, high_quantity or frequency_and_spending';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.anomaly_reason IS
  'For people: the values and the thresholds in force';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.detected_at IS
  'Clock when the anomaly was found';

CREATE OR REPLACE VIEW globalmart.payment_mix_15m_share AS
SELECT window_start, window_end, payment_method, transactions, revenue,
       (100.0 * transactions / nullif(sum(transactions) OVER of_window, 0))::double precision
         AS transaction_share_pct,
       (100.0 * revenue / nullif(sum(revenue) OVER of_window, 0))::double precision
         AS revenue_share_pct,
       created_at
FROM   globalmart.payment_mix_15m
WINDOW of_window AS (PARTITION BY window_start, window_end);
COMMENT ON VIEW globalmart.payment_mix_15m_share IS
  'payment_mix_15m with the share of each payment method in its window';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.payment_method IS
  'How it was paid (key)';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.revenue IS
  'Sum of total_amount of the orders; money';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.transaction_share_pct IS
  'Percent of the orders of the window';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.revenue_share_pct IS
  'Percent of the revenue of the window; NULL when the window has none';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.created_at IS
  'Clock of the close that appended the row';

-- The stream has the exact latest update, late ones included, for as long as its rows are kept; from
-- then on the closed windows have it. A row of the stream is never before the start of its window.
CREATE OR REPLACE VIEW globalmart.stock_levels AS
SELECT DISTINCT ON (product_id, country)
       product_id, country, stock_level, updated_at
FROM  (SELECT product_id, country, stock_level::bigint AS stock_level, event_time AS updated_at, event_id
       FROM   globalmart.inventory_events
       WHERE  event_type = 'stock_update' AND country IS NOT NULL AND stock_level IS NOT NULL
       UNION ALL
       SELECT product_id, country, last_stock_level, window_start, NULL::uuid
       FROM   globalmart.stock_levels_15m
       WHERE  last_stock_level IS NOT NULL) AS told
ORDER  BY product_id, country, updated_at DESC, event_id DESC NULLS LAST;
COMMENT ON VIEW globalmart.stock_levels IS
  'The latest stock of each product in each country, by event time, then event id; up to the last committed event';
COMMENT ON COLUMN globalmart.stock_levels.product_id IS
  'Product in stock (key)';
COMMENT ON COLUMN globalmart.stock_levels.country IS
  'Country of the stock (key)';
COMMENT ON COLUMN globalmart.stock_levels.stock_level IS
  'Units in stock';
COMMENT ON COLUMN globalmart.stock_levels.updated_at IS
  'Event time of that update; once the stream no longer keeps its row, the start of its fifteen minutes';

CREATE OR REPLACE FUNCTION globalmart.price_change_impact(span interval DEFAULT '1 hour')
RETURNS TABLE (product_id text, changed_at timestamptz,
               old_price numeric, new_price numeric, change_pct double precision,
               units_before bigint, units_after bigint,
               revenue_before numeric, revenue_after numeric)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH price_changes AS (
    -- an event that came twice is read once
    SELECT DISTINCT ON (change.event_time, change.event_id)
           change.event_time, change.event_id, change.product_id, change.old_price, change.new_price
    FROM   globalmart.inventory_events AS change
    WHERE  change.event_type = 'price_change'
    ORDER  BY change.event_time, change.event_id,
              change.received_at, change.kafka_partition, change.kafka_offset
  ), order_lines AS (
    SELECT DISTINCT ON (line.event_time, line.transaction_id, line.line_no)
           line.event_time, line.product_id, line.quantity, line.quantity * line.price AS revenue
    FROM   globalmart.transaction_items AS line
    WHERE  line.product_id IN (SELECT price_changes.product_id FROM price_changes)
    ORDER  BY line.event_time, line.transaction_id, line.line_no,
              line.received_at, line.kafka_partition, line.kafka_offset
  )
  SELECT change.product_id, change.event_time, change.old_price, change.new_price,
         (100 * (change.new_price - change.old_price) / nullif(change.old_price, 0))::double precision,
         coalesce(sum(line.quantity) FILTER (WHERE line.event_time < change.event_time), 0),
         coalesce(sum(line.quantity) FILTER (WHERE line.event_time >= change.event_time), 0),
         coalesce(sum(line.revenue) FILTER (WHERE line.event_time < change.event_time), 0)::numeric(18,2),
         coalesce(sum(line.revenue) FILTER (WHERE line.event_time >= change.event_time), 0)::numeric(18,2)
  FROM   price_changes AS change
         LEFT JOIN order_lines AS line
           ON  line.product_id = change.product_id
           AND line.event_time >= change.event_time - span
           AND line.event_time <  change.event_time + span
  GROUP  BY change.event_time, change.event_id, change.product_id, change.old_price, change.new_price
  ORDER  BY change.event_time, change.event_id;
END;
COMMENT ON FUNCTION globalmart.price_change_impact(interval) IS
  'Units and revenue (quantity x price) of each product in the span before a price change [changed_at - span, changed_at) and after it [changed_at, changed_at + span); change_pct in percent, NULL when the old price was 0. Reads the stream tables, so it reaches back as far as their rows are kept';

GRANT SELECT ON globalmart.recent_critical_anomalies, globalmart.payment_mix_15m_share,
                globalmart.stock_levels TO globalmart_reader, globalmart_analyst;
