-- Settings of upkeep.
SELECT plan(23);
CREATE FUNCTION pg_temp.hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN hint;
END
$$;
SELECT is(globalmart.setting('raw_retention'), '30 days', 'raw events are kept 30 days');
SELECT is(globalmart.setting('rollup_retention'), NULL, 'rollups for ever');
SELECT globalmart.set_setting('raw_retention.cart_events', '3 days');
SELECT is(globalmart.setting('raw_retention', 'cart_events'), '3 days', 'a setting for one table');
SELECT is(globalmart.setting('raw_retention', 'transactions'), '30 days', 'is not for the others');
SELECT globalmart.set_setting('raw_retention.cart_events', NULL);
SELECT is(globalmart.setting('raw_retention', 'cart_events'), NULL, 'NULL is no limit');
SELECT globalmart.reset_setting('raw_retention.cart_events');
SELECT is(globalmart.setting('raw_retention', 'cart_events'), '30 days', 'reset_setting takes it back');
SELECT results_eq($$SELECT value, default_value FROM globalmart.settings WHERE name = 'partitions_ahead'$$, $$VALUES ('7', '7')$$, 'the view shows both values');
SELECT throws_ok($$SELECT globalmart.set_setting('no_such', '1')$$, '42704', NULL, 'an unknown name is refused');
SELECT throws_ok($$SELECT globalmart.set_setting('partitions_ahead.cart_events', '1')$$, '42704', NULL, 'so is a table where there is no such thing');
SELECT matches(pg_temp.hint_of($$SELECT globalmart.set_setting('no_such', '1')$$), 'alerts_retention, .*partitions_ahead', 'the hint lists the settings');
SELECT throws_ok(format('SELECT globalmart.set_setting(%L, %L)', n, '5'), '42704', m, n || ' is refused')
FROM (VALUES ('raw_retention.nothing', 'there is no stream "nothing" for setting "raw_retention"'),
             ('raw_retention.sales_per_minute', 'there is no stream "sales_per_minute" for setting "raw_retention"'),
             ('raw_retention.', 'there is no stream "" for setting "raw_retention"'),
             ('rollup_retention.cart_events', 'there is no rollup or detector "cart_events" for setting "rollup_retention"')) AS r(n, m);
SELECT is(pg_temp.hint_of($$SELECT globalmart.set_setting('partitions_most.nothing', '1')$$),
  'It can be set for: cart_events, inventory_events, product_view_events, transaction_items, transactions.', 'the hint lists the streams');
SELECT lives_ok($$SELECT globalmart.set_setting('rollup_retention.high_value_anomalies', '1 year')$$, 'a detector has a retention, too');
SELECT throws_ok($$SELECT globalmart.reset_setting('raw_retention.nothing')$$, '42704', NULL, 'nor can an unknown one be reset');
SELECT lives_ok($$SELECT globalmart.reset_setting('raw_retention.cart_events')$$, 'one that was not set can');
SELECT globalmart.set_setting('rollup_retention.cart_metrics', '1 year');
SELECT globalmart.reset_setting('rollup_retention.high_value_anomalies');
SELECT globalmart.drop_rollup('cart_metrics');
SELECT is_empty($$SELECT FROM globalmart.settings WHERE name LIKE '%.%'$$, 'that of a rollup goes with it');
SELECT throws_ok($$SELECT globalmart.set_setting('raw_retention', '-1 day')$$, '22023', NULL, 'a negative interval');
SELECT throws_ok($$SELECT globalmart.set_setting('raw_retention', 'soon')$$, '22023', NULL, 'no interval at all');
SELECT throws_ok($$SELECT globalmart.set_setting('partitions_ahead', NULL)$$, '22004', NULL, 'no number where one is needed');
SET ROLE globalmart_reader;
SELECT throws_ok($$SELECT globalmart.set_setting('raw_retention', '1 day')$$, '42501', NULL, 'a reader changes none');
RESET ROLE;
SELECT * FROM finish();
