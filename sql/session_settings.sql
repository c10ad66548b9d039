-- What a definition means does not hang on the session: neither on who creates it, nor on who closes its windows.
CREATE DATABASE regress_globalmart_settings TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_globalmart_settings
SET client_min_messages = warning;
CREATE EXTENSION globalmart;
SET globalmart.now = '2026-03-02 12:00:00+00';
SELECT globalmart.install_shop();
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Tokyo';
SET intervalstyle = 'sql_standard';
SELECT globalmart.create_rollup('by_hour', $$
  SELECT window_start, window_end, country, date_part('hour', window_start) AS hour_of_day,
         max(event_time) > '2026-03-02 00:00:00+00' AS is_today, count(*) AS orders
  FROM globalmart.transactions, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country
$$);
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-03-02T10:00:30Z', '11111111-1111-1111-1111-111111111111', 'USER_1', 1, 'PayPal', 'UK'),
       ('2026-03-02T10:05:30Z', '11111111-1111-1111-1111-111111111112', 'USER_1', 1, 'PayPal', 'UK');
CALL globalmart.close_windows();
SET timezone = 'America/Lima';
SET datestyle = 'ISO, MDY';
SELECT country, hour_of_day, is_today, orders FROM globalmart.by_hour;
SELECT * FROM globalmart.verify('by_hour');

-- Who may not read a rollup's table may not read its groups, by whatever way.
REVOKE SELECT ON globalmart.by_hour FROM globalmart_reader;
SET ROLE globalmart_reader;
SELECT count(*) FROM globalmart.by_hour;
SELECT format('SELECT count(*) FROM globalmart.read_groups(%s, ''-infinity'', ''infinity'') AS g(a timestamptz, b timestamptz, c text, d timestamptz, e bigint)',
              version_id) AS direct FROM globalmart.rollup_versions WHERE rollup = 'by_hour' \gset
:direct;
SELECT count(*) FROM globalmart.by_hour_live;
RESET ROLE;
GRANT SELECT ON globalmart.by_hour TO globalmart_reader;
SET ROLE globalmart_reader;
SELECT current_user, count(*) FROM globalmart.by_hour_live;
SELECT current_user;
RESET ROLE;

-- What install_shop() runs is not for members of the owner to change.
SET ROLE globalmart_owner;
UPDATE globalmart.shop_scripts SET body = 'SELECT 1' WHERE name = 'alerts.sql';
RESET ROLE;
\c contrib_regression
DROP DATABASE regress_globalmart_settings;
