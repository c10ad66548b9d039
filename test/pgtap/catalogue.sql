-- The catalogue: the latest change by (event time, partition, offset) is in force, in whatever order changes come.
SELECT plan(15);

CREATE FUNCTION pg_temp.user_change(at int, part int, kafka_offset bigint, country text, id text DEFAULT 'USER_1') RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country, age_range, preferences, kafka_partition, kafka_offset)
  VALUES (timestamptz '2026-11-24 00:00+00' + make_interval(mins => $1), $5, $4 IS NULL, $4, '25-34', '{Toys}', $2, $3)
$$;

SELECT pg_temp.user_change(10, 0, 1, 'Japan');
SELECT results_eq('SELECT user_id, country, updated_at FROM globalmart.users',
  $$VALUES ('USER_1', 'Japan', timestamptz '2026-11-24 00:10+00')$$, 'a first change is in force');
SELECT pg_temp.user_change(5, 0, 2, 'USA');
SELECT is((SELECT country FROM globalmart.users), 'Japan', 'an older one that comes later is not');
SELECT pg_temp.user_change(10, 0, 0, 'UK');
SELECT is((SELECT country FROM globalmart.users), 'Japan', 'of two at one time the greater offset is in force');
SELECT pg_temp.user_change(10, 1, 0, 'France');
SELECT is((SELECT country FROM globalmart.users), 'France', 'and before the offset the partition counts');
SELECT pg_temp.user_change(20, 0, 9, NULL);
SELECT is((SELECT count(*) FROM globalmart.users), 0::bigint, 'a delete takes the user away');
SELECT pg_temp.user_change(15, 0, 10, 'USA');
SELECT is((SELECT count(*) FROM globalmart.users), 0::bigint, 'an older change does not bring it back');
SELECT pg_temp.user_change(25, 0, 11, 'Germany');
SELECT is((SELECT country FROM globalmart.users), 'Germany', 'a later one does');
SELECT pg_temp.user_change(24, 2, 1, NULL);
SELECT is((SELECT country FROM globalmart.users), 'Germany', 'an older delete deletes nothing');

-- Several changes of one user in one statement, in any order.
INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country, kafka_partition, kafka_offset)
VALUES ('2026-11-25 03:00+00', 'USER_2', false, 'USA', 0, 20), ('2026-11-25 05:00+00', 'USER_2', false, 'Japan', 0, 22),
       ('2026-11-25 04:00+00', 'USER_2', true, NULL, 0, 21), ('2026-11-25 06:00+00', 'USER_3', true, NULL, 0, 23),
       ('2026-11-25 01:00+00', 'USER_3', false, 'UK', 0, 19);
SELECT results_eq('SELECT user_id, country FROM globalmart.users ORDER BY 1',
  $$VALUES ('USER_1', 'Germany'), ('USER_2', 'Japan')$$, 'within a statement the latest counts as well');
SELECT is((SELECT count(*) FROM globalmart.user_changes), 13::bigint, 'the history keeps all');

INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price, rating, stock_level, kafka_partition, kafka_offset)
VALUES ('2026-11-24 00:00+00', 'PROD_1', false, 'Ball', 'Balls', 9.99, 4.5, 3, 0, 1),
       ('2026-11-24 01:00+00', 'PROD_1', false, 'Ball', 'Balls', 8.99, NULL, NULL, 1, 0),
       ('2026-11-24 02:00+00', 'PROD_2', true, NULL, NULL, NULL, NULL, NULL, 1, 2);
SELECT results_eq('SELECT product_id, product_name, category, price, rating, stock_level, updated_at FROM globalmart.products',
  $$VALUES ('PROD_1', 'Ball', 'Balls', 8.99::numeric(18,2), NULL::numeric(3,2), NULL::int, timestamptz '2026-11-24 01:00+00')$$,
  'products alike; a change replaces the whole row');
INSERT INTO globalmart.product_changes (event_time, product_id, deleted, kafka_partition, kafka_offset) VALUES ('2026-11-24 03:00+00', 'PROD_1', true, 0, 3);
SELECT is((SELECT count(*) FROM globalmart.products), 0::bigint, 'a delete takes the product away');
SELECT throws_ok($$INSERT INTO globalmart.product_changes (event_time, product_id, deleted) VALUES (now(), 'PROD_1', false)$$, '23514', NULL,
  'a product needs name, category and price');

-- The bridge has no right but to insert.
SET ROLE globalmart_writer;
SELECT pg_temp.user_change(30, 0, 30, 'UK', 'USER_4');
RESET ROLE;
SELECT is((SELECT country FROM globalmart.users WHERE user_id = 'USER_4'), 'UK', 'a writer''s change is applied');
SELECT is((SELECT count(*) FROM globalmart.user_versions), 4::bigint, 'deleted users are remembered');
SELECT * FROM finish();
