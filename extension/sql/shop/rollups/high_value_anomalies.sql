-- Orders of more than 5,000, at once. The limits of severity: high from 7,500, critical from 10,000.
SELECT globalmart.create_detector('high_value_anomalies', $$
  SELECT transaction_id, user_id, event_time, total_amount, payment_method, country,
         'high_value' AS anomaly_type,
         'amount ' || total_amount::text || ' > 5000.00' AS anomaly_reason,
         CASE WHEN total_amount >= 10000.00 THEN 'critical'
              WHEN total_amount >= 7500.00  THEN 'high'
              ELSE 'medium' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM   globalmart.transactions
  WHERE  total_amount > 5000.00
$$, if_not_exists => true);

COMMENT ON TABLE globalmart.high_value_anomalies IS 'Orders of more than 5,000, written in the transaction that stores the order; late orders too';
COMMENT ON COLUMN globalmart.high_value_anomalies.transaction_id IS
  'The order (primary key)';
COMMENT ON COLUMN globalmart.high_value_anomalies.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.high_value_anomalies.event_time IS
  'Event time of the order';
COMMENT ON COLUMN globalmart.high_value_anomalies.total_amount IS
  'What was charged, discount taken off; money';
COMMENT ON COLUMN globalmart.high_value_anomalies.payment_method IS
  'How it was paid';
COMMENT ON COLUMN globalmart.high_value_anomalies.country IS
  'Country of the order';
COMMENT ON COLUMN globalmart.high_value_anomalies.anomaly_type IS
  'Always high_value';
COMMENT ON COLUMN globalmart.high_value_anomalies.anomaly_reason IS
  'For people: the amount and the threshold in force';
COMMENT ON COLUMN globalmart.high_value_anomalies.severity IS
  'medium above 5,000, high from 7,500, critical from 10,000';
COMMENT ON COLUMN globalmart.high_value_anomalies.detected_at IS
  'Clock when the order was stored';
COMMENT ON COLUMN globalmart.high_value_anomalies.created_at IS
  'Clock when the row was appended';
