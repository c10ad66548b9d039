-- How many anomalies a minute and country, over the tables of both detectors.
-- Follows the watermark of the transactions. The detectors also take late events, this rollup does not.
SELECT globalmart.create_rollup('anomaly_stats', $$
  SELECT window_start, window_end, country,
         count(*)                                                AS total_anomalies,
         count(*) FILTER (WHERE anomaly_type = 'high_value')     AS high_value_count,
         count(*) FILTER (WHERE anomaly_type = 'high_quantity')  AS high_quantity_count,
         count(*) FILTER (WHERE severity = 'critical')           AS critical_count,
         count(*) FILTER (WHERE severity = 'high')               AS high_severity_count,
         count(*) FILTER (WHERE severity = 'medium')             AS medium_severity_count
  FROM  (SELECT event_time, country, severity, anomaly_type FROM globalmart.high_value_anomalies
         UNION ALL
         SELECT event_time, country, severity, anomaly_type FROM globalmart.high_quantity_anomalies) AS anomalies,
         globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.anomaly_stats IS 'Anomalies of the two detectors a minute and country; late ones are left out, so the detectors may hold more';
COMMENT ON COLUMN globalmart.anomaly_stats.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.anomaly_stats.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.anomaly_stats.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.anomaly_stats.total_anomalies IS
  'Number of anomalies: an order of high value counts once, each line of high quantity once';
COMMENT ON COLUMN globalmart.anomaly_stats.high_value_count IS
  'Number of rows of high_value_anomalies';
COMMENT ON COLUMN globalmart.anomaly_stats.high_quantity_count IS
  'Number of rows of high_quantity_anomalies';
COMMENT ON COLUMN globalmart.anomaly_stats.critical_count IS
  'Number of anomalies of severity critical';
COMMENT ON COLUMN globalmart.anomaly_stats.high_severity_count IS
  'Number of anomalies of severity high';
COMMENT ON COLUMN globalmart.anomaly_stats.medium_severity_count IS
  'Number of anomalies of severity medium';
COMMENT ON COLUMN globalmart.anomaly_stats.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
