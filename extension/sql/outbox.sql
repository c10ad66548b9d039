-- Alerts on their way out. An anomaly appends its alert to the outbox in its own transaction and tells
-- nobody: NOTIFY makes the commits of the whole server queue, so it happens when the alerts are sent.

CREATE TABLE globalmart.alerts_outbox (
  alert_id   uuid PRIMARY KEY,
  rollup     text NOT NULL,
  payload    jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  taken_at   timestamptz,
  sent_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX alerts_outbox_unsent ON globalmart.alerts_outbox (created_at) WHERE sent_at IS NULL;
COMMENT ON TABLE globalmart.alerts_outbox IS 'Alerts to be sent to the alerts topic and to NOTIFY, at least once';
COMMENT ON COLUMN globalmart.alerts_outbox.alert_id IS 'Follows from the rollup and the key of the row: the same alert has the same id, however often it is sent';
COMMENT ON COLUMN globalmart.alerts_outbox.rollup IS 'Rollup or detector that the alert is from';
COMMENT ON COLUMN globalmart.alerts_outbox.payload IS 'The columns of the row, times in UTC; alert_id and rollup are added when it is sent';
COMMENT ON COLUMN globalmart.alerts_outbox.created_at IS 'When it was found';
COMMENT ON COLUMN globalmart.alerts_outbox.taken_at IS 'When a sender took it; after 30 seconds another may';
COMMENT ON COLUMN globalmart.alerts_outbox.sent_at IS 'When it was confirmed; NULL: not yet';

CREATE TABLE globalmart.alert_sources (
  rollup    text PRIMARY KEY,
  published boolean NOT NULL
);
COMMENT ON TABLE globalmart.alert_sources IS 'Which rollups and detectors give alerts; set by publish_alerts and unpublish_alerts';
COMMENT ON COLUMN globalmart.alert_sources.rollup IS 'Rollup or detector';
COMMENT ON COLUMN globalmart.alert_sources.published IS 'False: an owner took it off';

CREATE FUNCTION globalmart.append_alerts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $$
DECLARE
  keys text;
BEGIN
  -- Arguments: the columns of the key.
  SELECT string_agg('n.' || quote_ident(k.name), ', ' ORDER BY k.number) INTO keys
  FROM unnest(TG_ARGV) WITH ORDINALITY AS k(name, number);
  EXECUTE format(
    'INSERT INTO globalmart.alerts_outbox (alert_id, rollup, payload) '
    'SELECT md5(%L || jsonb_build_array(%s)::text)::uuid, %L, to_jsonb(n) FROM new_rows AS n ON CONFLICT DO NOTHING',
    TG_TABLE_NAME || ' ', keys, TG_TABLE_NAME);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.append_alerts() IS
  'Statement trigger of the tables whose rows are alerts: appends them to the outbox';

CREATE FUNCTION globalmart.publish_alerts(rollup text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  relation regclass;
  keys text;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_rollup(publish_alerts.rollup);
  relation := format('globalmart.%I', publish_alerts.rollup)::regclass;
  SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY k.number) INTO keys
  FROM (SELECT i.indkey FROM pg_index AS i WHERE i.indrelid = relation AND i.indisunique
        ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1) AS i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, number)
  JOIN pg_attribute AS a ON a.attrelid = relation AND a.attnum = k.attnum;
  IF keys IS NULL THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('the rows of "%s" have no key that could identify an alert', publish_alerts.rollup),
      HINT = 'Give a detector the id of the event, and a rollup a key.';
  END IF;
  EXECUTE format(
    'CREATE OR REPLACE TRIGGER append_alerts AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
    'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.append_alerts(%s)', relation, keys);
  INSERT INTO globalmart.alert_sources AS s (rollup, published) VALUES (publish_alerts.rollup, true)
  ON CONFLICT (rollup) DO UPDATE SET published = true;
END
$$;
COMMENT ON FUNCTION globalmart.publish_alerts(text) IS
  'From now on, every row of this rollup or detector is an alert; may be called again';

CREATE FUNCTION globalmart.unpublish_alerts(rollup text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
#variable_conflict use_column
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_rollup(unpublish_alerts.rollup);
  EXECUTE format('DROP TRIGGER IF EXISTS append_alerts ON globalmart.%I', unpublish_alerts.rollup);
  INSERT INTO globalmart.alert_sources AS s (rollup, published) VALUES (unpublish_alerts.rollup, false)
  ON CONFLICT (rollup) DO UPDATE SET published = false;
END
$$;
COMMENT ON FUNCTION globalmart.unpublish_alerts(text) IS 'From now on, rows of this rollup or detector are no alerts';

CREATE FUNCTION globalmart.take_alerts(max int) RETURNS TABLE (alert_id uuid, payload jsonb)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH taken AS (
    UPDATE globalmart.alerts_outbox AS a SET taken_at = globalmart.clock()
    WHERE a.alert_id IN (
      SELECT o.alert_id FROM globalmart.alerts_outbox AS o
      WHERE o.sent_at IS NULL AND (o.taken_at IS NULL OR o.taken_at < globalmart.clock() - interval '30 seconds')
      ORDER BY o.created_at
      LIMIT $1
      FOR UPDATE SKIP LOCKED)
    RETURNING a.alert_id, a.rollup, a.payload, a.created_at)
  SELECT t.alert_id, t.payload || jsonb_build_object('alert_id', t.alert_id, 'rollup', t.rollup)
  FROM taken AS t ORDER BY t.created_at, t.alert_id
$$;
COMMENT ON FUNCTION globalmart.take_alerts(int) IS
  'For a sender: the oldest alerts that are not sent (alert_id, rollup and the columns of the row), for 30 seconds nobody else''s. Send them, then mark_alerts_sent';

CREATE FUNCTION globalmart.mark_alerts_sent(ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  alert record;
BEGIN
  FOR alert IN
    UPDATE globalmart.alerts_outbox AS a SET sent_at = globalmart.clock()
    WHERE a.alert_id = ANY (ids) AND a.sent_at IS NULL
    RETURNING a.alert_id, a.rollup, a.payload || jsonb_build_object('alert_id', a.alert_id, 'rollup', a.rollup) AS payload
  LOOP
    -- NOTIFY carries less than 8,000 bytes; who needs the rest looks it up by alert_id.
    PERFORM pg_notify('globalmart_alerts',
      CASE WHEN octet_length(alert.payload::text) < 7900 THEN alert.payload::text
           ELSE jsonb_build_object('alert_id', alert.alert_id, 'rollup', alert.rollup)::text END);
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.mark_alerts_sent(uuid[]) IS
  'For a sender: these alerts have arrived. Tells listeners of channel globalmart_alerts when the transaction commits';

CREATE FUNCTION globalmart.send_alerts() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ids uuid[];
BEGIN
  SELECT array_agg(t.alert_id) INTO ids FROM globalmart.take_alerts(1000) AS t;
  PERFORM globalmart.mark_alerts_sent(ids);
  RETURN coalesce(cardinality(ids), 0);
END
$$;
COMMENT ON FUNCTION globalmart.send_alerts() IS
  'Sends up to 1,000 alerts by NOTIFY globalmart_alerts alone, where no bridge runs; gives how many. For pg_cron';
