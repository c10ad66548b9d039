-- Order lines of 50 units or more, at once. The limits of severity: high from 75, critical from 100.
SELECT globalmart.create_detector('high_quantity_anomalies', $$
  SELECT transaction_id, line_no, product_id, user_id, event_time,
         quantity::bigint AS quantity,
         total_amount, payment_method, country,
         'high_quantity' AS anomaly_type,
         'quantity ' || quantity::text || ' >= 50' AS anomaly_reason,
         CASE WHEN quantity >= 100 THEN 'critical'
              WHEN quantity >= 75  THEN 'high'
              ELSE 'medium' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM   globalmart.transaction_items
  WHERE  quantity >= 50
$$, if_not_exists => true);

COMMENT ON TABLE globalmart.high_quantity_anomalies IS 'Order lines of 50 units or more, written in the transaction that stores the order; late orders too';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.transaction_id IS
  'The order (primary key, with line_no)';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.line_no IS
  'Number of the line in the order, from 1 (primary key, with transaction_id)';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.product_id IS
  'Product of the line';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.event_time IS
  'Event time of the order';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.quantity IS
  'Units on the line';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.total_amount IS
  'What was charged for the whole order, not for the line; money';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.payment_method IS
  'How it was paid';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.country IS
  'Country of the order';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.anomaly_type IS
  'Always high_quantity';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.anomaly_reason IS
  'For people: the quantity and the threshold in force';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.severity IS
  'medium from 50, high from 75, critical from 100';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.detected_at IS
  'Clock when the order was stored';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.created_at IS
  'Clock when the row was appended';
