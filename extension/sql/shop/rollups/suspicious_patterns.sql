-- Users who order often (three times or more) or spend much (more than 10,000) within five minutes.
-- Each threshold stands once, beside the sums that it is compared with.
SELECT globalmart.create_rollup('suspicious_patterns', $$
  SELECT window_start, window_end, user_id, country,
         transaction_count, total_spent, avg_transaction, max_transaction,
         first_transaction, last_transaction,
         CASE WHEN spending IS NULL  THEN 'high_frequency'
              WHEN frequency IS NULL THEN 'high_spending'
              ELSE 'frequency_and_spending' END AS anomaly_type,
         coalesce(frequency || '; ' || spending, frequency, spending) AS anomaly_reason,
         CASE WHEN frequency || spending IS NOT NULL THEN 'critical' ELSE 'high' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM  (SELECT window_start, window_end, user_id, country,
                transaction_count, total_spent, avg_transaction, max_transaction,
                first_transaction, last_transaction,
                CASE WHEN transaction_count >= many
                     THEN 'transactions ' || transaction_count::text || ' >= ' || many::text END AS frequency,
                CASE WHEN total_spent > much
                     THEN 'spent ' || total_spent::text || ' > ' || much::text END AS spending
         FROM  (SELECT window_start, window_end, user_id,
                       globalmart.first_by(country, event_time, transaction_id) AS country,
                       count(*)                          AS transaction_count,
                       sum(total_amount)::numeric(18,2)  AS total_spent,
                       avg(total_amount)::numeric(18,2)  AS avg_transaction,
                       max(total_amount)::numeric(18,2)  AS max_transaction,
                       min(event_time)                   AS first_transaction,
                       max(event_time)                   AS last_transaction,
                       3                                 AS many,
                       10000.00                          AS much
                FROM   globalmart.transactions, globalmart.tumble(event_time, interval '5 minutes')
                GROUP  BY window_start, window_end, user_id) AS users) AS judged
  WHERE  frequency IS NOT NULL OR spending IS NOT NULL
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.suspicious_patterns IS 'Users with 3 orders or more, or more than 10,000 spent, in five minutes';
COMMENT ON COLUMN globalmart.suspicious_patterns.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.suspicious_patterns.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.suspicious_patterns.user_id IS
  'User who ordered (key)';
COMMENT ON COLUMN globalmart.suspicious_patterns.country IS
  'Country of the first order of the group, by event time, then transaction id';
COMMENT ON COLUMN globalmart.suspicious_patterns.transaction_count IS
  'Number of orders';
COMMENT ON COLUMN globalmart.suspicious_patterns.total_spent IS
  'Sum of total_amount of the orders; money';
COMMENT ON COLUMN globalmart.suspicious_patterns.avg_transaction IS
  'total_spent / transaction_count; money, rounded to the cent';
COMMENT ON COLUMN globalmart.suspicious_patterns.max_transaction IS
  'Greatest total_amount; money';
COMMENT ON COLUMN globalmart.suspicious_patterns.first_transaction IS
  'Event time of the first order';
COMMENT ON COLUMN globalmart.suspicious_patterns.last_transaction IS
  'Event time of the last order';
COMMENT ON COLUMN globalmart.suspicious_patterns.anomaly_type IS
  'high_frequency (3 orders or more), high_spending (more than 10,000), or frequency_and_spending';
COMMENT ON COLUMN globalmart.suspicious_patterns.anomaly_reason IS
  'For people: the values and the thresholds in force';
COMMENT ON COLUMN globalmart.suspicious_patterns.severity IS
  'high; critical when both thresholds are passed';
COMMENT ON COLUMN globalmart.suspicious_patterns.detected_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.suspicious_patterns.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
