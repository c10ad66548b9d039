-- What is sent to the alerts topic and to NOTIFY; unpublish_alerts(name) takes one off for good.
SELECT globalmart.publish_alerts(c.name)
FROM globalmart.rollup_catalog AS c
WHERE c.name IN ('high_value_anomalies', 'high_quantity_anomalies', 'suspicious_patterns', 'high_demand_alerts', 'restock_alerts')
  AND NOT EXISTS (SELECT FROM globalmart.alert_sources AS s WHERE s.rollup = c.name AND NOT s.published);
