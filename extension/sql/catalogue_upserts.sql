-- From the history of the catalogue to what is in force. Changes come in any order and from many sessions
-- at once: a row of versions for each id, deleted ones included, says which change is the latest, and is the
-- lock that sessions meet at, in the order of ids. Statements of their own, so that what follows the lock
-- sees what was committed before it.

CREATE FUNCTION globalmart.apply_user_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO globalmart.user_versions AS v (user_id, event_time, kafka_partition, kafka_offset)
  SELECT DISTINCT ON (n.user_id) n.user_id, n.event_time, n.kafka_partition, n.kafka_offset
  FROM new_rows AS n
  ORDER BY n.user_id, n.event_time DESC, n.kafka_partition DESC, n.kafka_offset DESC
  ON CONFLICT (user_id) DO UPDATE
    SET event_time = EXCLUDED.event_time, kafka_partition = EXCLUDED.kafka_partition, kafka_offset = EXCLUDED.kafka_offset
    WHERE (v.event_time, v.kafka_partition, v.kafka_offset)
        < (EXCLUDED.event_time, EXCLUDED.kafka_partition, EXCLUDED.kafka_offset);

  DELETE FROM globalmart.users AS u
  USING new_rows AS n, globalmart.user_versions AS v
  WHERE n.deleted AND u.user_id = n.user_id AND v.user_id = n.user_id
    AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset);

  INSERT INTO globalmart.users AS u (user_id, country, age_range, preferences, registered_at, updated_at)
  SELECT n.user_id, n.country, n.age_range, n.preferences, n.registered_at, n.event_time
  FROM new_rows AS n
  JOIN globalmart.user_versions AS v
    ON v.user_id = n.user_id
   AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset)
  WHERE NOT n.deleted
  ORDER BY n.user_id
  ON CONFLICT (user_id) DO UPDATE
    SET country = EXCLUDED.country, age_range = EXCLUDED.age_range, preferences = EXCLUDED.preferences,
        registered_at = EXCLUDED.registered_at, updated_at = EXCLUDED.updated_at;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.apply_user_changes() IS
  'Statement trigger of user_changes: brings users up to date with the latest change of each';

CREATE FUNCTION globalmart.apply_product_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO globalmart.product_versions AS v (product_id, event_time, kafka_partition, kafka_offset)
  SELECT DISTINCT ON (n.product_id) n.product_id, n.event_time, n.kafka_partition, n.kafka_offset
  FROM new_rows AS n
  ORDER BY n.product_id, n.event_time DESC, n.kafka_partition DESC, n.kafka_offset DESC
  ON CONFLICT (product_id) DO UPDATE
    SET event_time = EXCLUDED.event_time, kafka_partition = EXCLUDED.kafka_partition, kafka_offset = EXCLUDED.kafka_offset
    WHERE (v.event_time, v.kafka_partition, v.kafka_offset)
        < (EXCLUDED.event_time, EXCLUDED.kafka_partition, EXCLUDED.kafka_offset);

  DELETE FROM globalmart.products AS p
  USING new_rows AS n, globalmart.product_versions AS v
  WHERE n.deleted AND p.product_id = n.product_id AND v.product_id = n.product_id
    AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset);

  INSERT INTO globalmart.products AS p (product_id, product_name, category, price, rating, stock_level, updated_at)
  SELECT n.product_id, n.product_name, n.category, n.price, n.rating, n.stock_level, n.event_time
  FROM new_rows AS n
  JOIN globalmart.product_versions AS v
    ON v.product_id = n.product_id
   AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset)
  WHERE NOT n.deleted
  ORDER BY n.product_id
  ON CONFLICT (product_id) DO UPDATE
    SET product_name = EXCLUDED.product_name, category = EXCLUDED.category, price = EXCLUDED.price,
        rating = EXCLUDED.rating, stock_level = EXCLUDED.stock_level, updated_at = EXCLUDED.updated_at;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.apply_product_changes() IS
  'Statement trigger of product_changes: brings products up to date with the latest change of each';
