-- Alerts wait in an outbox; NOTIFY comes with their sending, never with an insert.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(23);

SET TimeZone = 'America/New_York';
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-11-24 11:00+00', '11111111-1111-1111-1111-111111111111', 'USER_1', 12000, 'PayPal', 'UK'),
       ('2026-11-24 11:00+00', '11111111-1111-1111-1111-111111111112', 'USER_2', 4999.99, 'PayPal', 'UK');
SELECT is((SELECT count(*) FROM globalmart.alerts_outbox), 1::bigint, 'a detected anomaly is an alert, in the same transaction');
SELECT is((SELECT rollup FROM globalmart.alerts_outbox), 'high_value_anomalies', 'it says where it is from');
SELECT is((SELECT payload ->> 'transaction_id' FROM globalmart.alerts_outbox), '11111111-1111-1111-1111-111111111111', 'it has the row''s columns');
SELECT is((SELECT payload ->> 'event_time' FROM globalmart.alerts_outbox), '2026-11-24T11:00:00+00:00', 'times are UTC whatever the session says');
SELECT is((SELECT alert_id FROM globalmart.alerts_outbox), md5('high_value_anomalies ["11111111-1111-1111-1111-111111111111"]')::uuid, 'which follows from rollup and key alone');
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
SELECT '2026-11-24 11:00+00', '11111111-1111-1111-1111-111111111111', n, 60, 'PROD_1', 1, 'USER_1', 120, 'PayPal', 'UK' FROM generate_series(1, 2) AS n;
SELECT is((SELECT count(DISTINCT alert_id) FROM globalmart.alerts_outbox WHERE rollup = 'high_quantity_anomalies'), 2::bigint, 'lines of one order are alerts of their own');
SET TimeZone = 'UTC';

-- Windows.
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-11-24 11:59:59+00', gen_random_uuid(), 'USER_3', 1, 'PayPal', 'UK');
CALL globalmart.close_windows();
SELECT set_eq($$SELECT rollup FROM globalmart.alerts_outbox$$,
  '{high_value_anomalies,high_quantity_anomalies,suspicious_patterns,high_demand_alerts,restock_alerts}'::text[], 'closed windows give alerts, too');
SELECT is((SELECT payload ->> 'window_start' FROM globalmart.alerts_outbox WHERE rollup = 'suspicious_patterns'), '2026-11-24T11:00:00+00:00', 'with their window');

-- Sending.
SET ROLE globalmart_writer;
SELECT throws_ok('SELECT * FROM globalmart.alerts_outbox', '42501', NULL, 'the sender reads no table');
SELECT is((SELECT count(*) FROM globalmart.take_alerts(4) WHERE payload ->> 'alert_id' = alert_id::text AND payload ? 'rollup'), 4::bigint,
  'as many as asked for, each with its id and where it is from');
SELECT is((SELECT count(*) FROM globalmart.take_alerts(100)), 2::bigint, 'another sender gets the others');
SELECT is((SELECT count(*) FROM globalmart.take_alerts(100)), 0::bigint, 'and a third none');
RESET ROLE;
SET globalmart.now = '2026-11-24 12:00:31+00';
SELECT is((SELECT count(*) FROM globalmart.take_alerts(100)), 6::bigint, 'what was not confirmed in 30 seconds is given out again');
SELECT is((SELECT state FROM globalmart.status WHERE part = 'alerts'), 'sending', 'status: on their way');
SET globalmart.now = '2026-11-24 12:01:31+00';
SELECT is((SELECT state FROM globalmart.status WHERE part = 'alerts'), 'stuck', 'status: for too long');
SET ROLE globalmart_writer;
SELECT globalmart.mark_alerts_sent(ARRAY(SELECT alert_id FROM globalmart.take_alerts(5)));
RESET ROLE;
SELECT is((SELECT count(*) FROM globalmart.alerts_outbox WHERE sent_at IS NULL), 1::bigint, 'confirmed ones are sent');
SELECT is(globalmart.send_alerts(), 1::bigint, 'where no bridge runs, send_alerts() sends by NOTIFY alone');
SELECT is(globalmart.send_alerts(), 0::bigint, 'once');
SELECT is((SELECT state FROM globalmart.status WHERE part = 'alerts'), 'sent', 'status: all sent');
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.alerts_outbox), 6::bigint, 'sent alerts are kept a week');
SET globalmart.now = '2026-12-01 12:01:32+00';
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.alerts_outbox), 0::bigint, 'and no longer');

-- An owner chooses.
SELECT globalmart.unpublish_alerts('high_value_anomalies');
SELECT globalmart.install_shop();
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-12-01 11:00+00', '11111111-1111-1111-1111-111111111113', 'USER_1', 12000, 'PayPal', 'UK');
SELECT is((SELECT count(*) FROM globalmart.alerts_outbox), 0::bigint, 'what was taken off stays off');
SELECT throws_ok($$SELECT globalmart.publish_alerts('sales_per_second')$$, '42704', 'there is no rollup or detector "sales_per_second"', 'only what is there can be published');
SELECT * FROM finish();
