-- What is sent to the alerts topic and to NOTIFY; unpublish_alerts(name) takes one off for good. Where the trigger is
-- there it stays: writers would wait for another.
SELECT globalmart.publish_alerts(c.name)
FROM globalmart.rollup_catalog AS c
WHERE c.name IN ('high_value_anomalies', 'high_quantity_anomalies', 'suspicious_patterns', 'high_demand_alerts', 'restock_alerts')
  AND NOT EXISTS (SELECT FROM globalmart.alert_sources AS s WHERE s.rollup = c.name AND NOT s.published)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
                  WHERE t.tgrelid = to_regclass('globalmart.' || c.name) AND t.tgname = 'append_alerts');
