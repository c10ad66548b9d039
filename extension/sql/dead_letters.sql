-- Messages that could not be applied, and how they are applied after all.

CREATE TABLE globalmart.dead_letters (
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  reason          text        NOT NULL,
  detail          text,
  key             bytea,
  value           bytea,
  received_at     timestamptz NOT NULL DEFAULT globalmart.clock(),
  PRIMARY KEY (topic, kafka_partition, kafka_offset)
);
COMMENT ON TABLE globalmart.dead_letters IS 'Messages that were not applied, whole, with the reason. redrive_dead_letters() has them applied after all';
COMMENT ON COLUMN globalmart.dead_letters.topic IS 'Topic of the message';
COMMENT ON COLUMN globalmart.dead_letters.kafka_partition IS 'Partition of the message';
COMMENT ON COLUMN globalmart.dead_letters.kafka_offset IS 'Offset of the message';
COMMENT ON COLUMN globalmart.dead_letters.reason IS 'One of tombstone, too_large, invalid_utf8, invalid_json, too_deep, duplicate_member, nul_character, lone_surrogate, not_an_object, missing_member, ill_typed, out_of_range, bad_timestamp, future_timestamp, rejected_by_database';
COMMENT ON COLUMN globalmart.dead_letters.detail IS 'For people: which member, which rule; for rejected_by_database the SQLSTATE';
COMMENT ON COLUMN globalmart.dead_letters.key IS 'Kafka key; NULL: none';
COMMENT ON COLUMN globalmart.dead_letters.value IS 'The message as it came; NULL: a null value';
COMMENT ON COLUMN globalmart.dead_letters.received_at IS 'When it arrived';

CREATE VIEW globalmart.dead_letter_summary AS
  SELECT d.topic, d.reason, pg_catalog.count(*) AS messages,
         pg_catalog.min(d.received_at) AS first_received_at, pg_catalog.max(d.received_at) AS last_received_at,
         (pg_catalog.array_agg(d.detail ORDER BY d.received_at DESC) FILTER (WHERE d.detail IS NOT NULL))[1] AS last_detail
  FROM globalmart.dead_letters AS d
  GROUP BY d.topic, d.reason;
COMMENT ON VIEW globalmart.dead_letter_summary IS 'Dead letters by topic and reason';
COMMENT ON COLUMN globalmart.dead_letter_summary.topic IS 'Topic of the messages';
COMMENT ON COLUMN globalmart.dead_letter_summary.reason IS 'Why they were not applied';
COMMENT ON COLUMN globalmart.dead_letter_summary.messages IS 'How many';
COMMENT ON COLUMN globalmart.dead_letter_summary.first_received_at IS 'When the first one arrived';
COMMENT ON COLUMN globalmart.dead_letter_summary.last_received_at IS 'When the last one arrived';
COMMENT ON COLUMN globalmart.dead_letter_summary.last_detail IS 'Detail of the last one';

-- Redrive. A request is a row that waits until the owner of the partition takes it: the message goes
-- through the same decoding and deduplication as any other, with the rows, the outcome and the end of the
-- dead letter in one transaction. So it is applied once, or is a dead letter still.
CREATE TABLE globalmart.dead_letter_redrives (
  redrive_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  key             bytea,
  value           bytea,
  original_value  bytea,
  reason          text        NOT NULL,
  state           text        NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'applied', 'duplicate', 'rejected', 'cancelled')),
  detail          text,
  received_at     timestamptz NOT NULL,
  requested_at    timestamptz NOT NULL DEFAULT globalmart.clock(),
  requested_by    text        NOT NULL DEFAULT current_user,
  finished_at     timestamptz
);
CREATE UNIQUE INDEX dead_letter_redrives_once ON globalmart.dead_letter_redrives (topic, kafka_partition, kafka_offset)
  WHERE state IN ('waiting', 'applied', 'duplicate');
COMMENT ON TABLE globalmart.dead_letter_redrives IS 'Requests to apply dead letters after all, and what became of them. The rows that come of one keep the topic, partition and offset of the message, with a new received_at';
COMMENT ON COLUMN globalmart.dead_letter_redrives.redrive_id IS 'Number of the request';
COMMENT ON COLUMN globalmart.dead_letter_redrives.topic IS 'Topic of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.kafka_partition IS 'Partition of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.kafka_offset IS 'Offset of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.key IS 'Kafka key of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.value IS 'The message to apply, mended or as it came';
COMMENT ON COLUMN globalmart.dead_letter_redrives.original_value IS 'The message as it came';
COMMENT ON COLUMN globalmart.dead_letter_redrives.reason IS 'Why it was a dead letter';
COMMENT ON COLUMN globalmart.dead_letter_redrives.state IS 'waiting; applied (its rows are stored); duplicate (an event with its id was stored before); rejected (still a dead letter); cancelled';
COMMENT ON COLUMN globalmart.dead_letter_redrives.detail IS 'For people: why it was rejected';
COMMENT ON COLUMN globalmart.dead_letter_redrives.received_at IS 'When the message arrived';
COMMENT ON COLUMN globalmart.dead_letter_redrives.requested_at IS 'When its redrive was asked for';
COMMENT ON COLUMN globalmart.dead_letter_redrives.requested_by IS 'Role that asked for it';
COMMENT ON COLUMN globalmart.dead_letter_redrives.finished_at IS 'When it was applied, rejected or cancelled';

CREATE FUNCTION globalmart.redrive_dead_letters(filter jsonb DEFAULT '{}', mended bytea DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  unknown text;
  asked bigint;
BEGIN
  PERFORM globalmart.require_owner();
  -- A variable that was not set would ask for all.
  IF filter IS NULL OR EXISTS (SELECT FROM jsonb_each(filter) AS m WHERE m.value = 'null') THEN
    RAISE null_value_not_allowed USING
      MESSAGE = coalesce('a member of the filter is null: ' || (SELECT string_agg(m.key, ', ' ORDER BY m.key) FROM jsonb_each(filter) AS m WHERE m.value = 'null'),
                         'the filter is NULL'),
      HINT = 'Leave a member out to take all its values; {} asks for all dead letters.';
  END IF;
  SELECT string_agg(k, ', ' ORDER BY k) INTO unknown FROM jsonb_object_keys(filter) AS k
  WHERE k NOT IN ('topic', 'reason', 'kafka_partition', 'kafka_offset', 'received_from', 'received_to');
  IF unknown IS NOT NULL THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('a filter of dead letters has no member %s', unknown),
      HINT = 'Members: topic, reason, kafka_partition, kafka_offset, received_from, received_to (not itself included).';
  END IF;
  -- The bridge that stores a mended message deletes its dead letter: whoever comes second finds none.
  INSERT INTO globalmart.dead_letter_redrives AS r
    (topic, kafka_partition, kafka_offset, key, value, original_value, reason, received_at)
  SELECT d.topic, d.kafka_partition, d.kafka_offset, d.key, coalesce(mended, d.value), d.value, d.reason, d.received_at
  FROM globalmart.dead_letters AS d
  WHERE (filter ->> 'topic' IS NULL OR d.topic = filter ->> 'topic')
    AND (filter ->> 'reason' IS NULL OR d.reason = filter ->> 'reason')
    AND (filter ->> 'kafka_partition' IS NULL OR d.kafka_partition = (filter ->> 'kafka_partition')::int)
    AND (filter ->> 'kafka_offset' IS NULL OR d.kafka_offset = (filter ->> 'kafka_offset')::bigint)
    AND (filter ->> 'received_from' IS NULL OR d.received_at >= (filter ->> 'received_from')::timestamptz)
    AND (filter ->> 'received_to' IS NULL OR d.received_at < (filter ->> 'received_to')::timestamptz)
  ORDER BY d.topic, d.kafka_partition, d.kafka_offset
  ON CONFLICT (topic, kafka_partition, kafka_offset) WHERE state IN ('waiting', 'applied', 'duplicate') DO NOTHING;
  GET DIAGNOSTICS asked = ROW_COUNT;
  IF mended IS NOT NULL AND asked > 1 THEN
    RAISE cardinality_violation USING
      MESSAGE = format('one mended message cannot stand for %s dead letters', asked),
      HINT = 'Name topic, kafka_partition and kafka_offset in the filter; for many, call redrive_dead_letter for each, with its mended value.';
  END IF;
  RETURN asked;
END
$$;
COMMENT ON FUNCTION globalmart.redrive_dead_letters(jsonb, bytea) IS
  'Asks for dead letters to be applied after all, as they came or, for a single one, mended; gives how many. filter: {"topic", "reason", "kafka_partition", "kafka_offset", "received_from", "received_to"}, all optional. The bridge applies each once; see dead_letter_redrives';

CREATE FUNCTION globalmart.redrive_dead_letter(topic text, kafka_partition int, kafka_offset bigint, mended text DEFAULT NULL)
RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT globalmart.redrive_dead_letters(
    jsonb_build_object('topic', $1, 'kafka_partition', $2, 'kafka_offset', $3), convert_to($4, 'UTF8')) > 0
$$;
COMMENT ON FUNCTION globalmart.redrive_dead_letter(text, int, bigint, text) IS
  'Asks for one dead letter to be applied, mended if a new text is given; true unless it is not there or asked for already. SELECT redrive_dead_letter(topic, kafka_partition, kafka_offset, replace(convert_from(value, ''UTF8''), ...)) FROM dead_letters mends many';

CREATE FUNCTION globalmart.cancel_redrives() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  cancelled bigint;
BEGIN
  PERFORM globalmart.require_owner();
  UPDATE globalmart.dead_letter_redrives AS r SET state = 'cancelled', finished_at = globalmart.clock()
  WHERE r.state = 'waiting';
  GET DIAGNOSTICS cancelled = ROW_COUNT;
  RETURN cancelled;
END
$$;
COMMENT ON FUNCTION globalmart.cancel_redrives() IS
  'Takes back all requests that no bridge has applied yet; the messages stay dead letters';

CREATE FUNCTION globalmart.take_redrives(topic text, partitions int[], epochs bigint[], most int)
RETURNS TABLE (redrive_id bigint, kafka_partition int, kafka_offset bigint, key bytea, value bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM globalmart.dead_letter_redrives AS r
                 WHERE r.state = 'waiting' AND r.topic = take_redrives.topic) THEN
    RETURN;
  END IF;
  -- A new owner of a partition waits until this transaction ends.
  PERFORM FROM globalmart.kafka_offsets AS o
  JOIN unnest(partitions, epochs) AS g(kafka_partition, epoch) USING (kafka_partition, epoch)
  WHERE o.topic = take_redrives.topic
  ORDER BY o.kafka_partition
  FOR UPDATE OF o;
  RETURN QUERY
    SELECT r.redrive_id, r.kafka_partition, r.kafka_offset, r.key, r.value
    FROM globalmart.dead_letter_redrives AS r
    JOIN globalmart.kafka_offsets AS o USING (topic, kafka_partition)
    JOIN unnest(partitions, epochs) AS g(kafka_partition, epoch) USING (kafka_partition, epoch)
    WHERE r.topic = take_redrives.topic AND r.state = 'waiting'
    ORDER BY r.redrive_id
    LIMIT most
    FOR UPDATE OF r SKIP LOCKED;
END
$$;
COMMENT ON FUNCTION globalmart.take_redrives(text, int[], bigint[], int) IS
  'For the bridge: redrives that wait for partitions it owns, locked until its transaction ends. In one transaction: take_redrives, COPY of the rows that come of them (with the message''s own partition and offset), finish_redrives, COMMIT';

CREATE FUNCTION globalmart.is_stored(stream text, event_id uuid, event_time timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source globalmart.streams;
  found_one boolean;
BEGIN
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.stream = is_stored.stream;
  IF NOT FOUND OR NOT source.has_offsets THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no stream "%s" that a topic brings', stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %s AS s WHERE s.%I = $1 AND s.%I = $2)',
                 source.relation, source.time_column, source.id_column)
    INTO found_one USING event_time, event_id;
  RETURN found_one;
END
$$;
COMMENT ON FUNCTION globalmart.is_stored(text, uuid, timestamptz) IS
  'For the bridge: whether the stream has this event. A dead letter can be older than the ids that the bridge remembers';

CREATE FUNCTION globalmart.finish_redrives(redrive_ids bigint[], states text[], reasons text[], details text[],
                                           event_times timestamptz[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  finished int;
BEGIN
  WITH given AS MATERIALIZED (
    SELECT * FROM unnest(redrive_ids, states, reasons, details, event_times) AS g(redrive_id, state, reason, detail, event_time)
  ), done AS (
    UPDATE globalmart.dead_letter_redrives AS r
    SET state = g.state, detail = g.detail, finished_at = globalmart.clock()
    FROM given AS g
    WHERE r.redrive_id = g.redrive_id AND r.state = 'waiting' AND g.state IN ('applied', 'duplicate', 'rejected')
    RETURNING r.topic, r.kafka_partition, r.kafka_offset, g.state, g.reason, g.detail, g.event_time
  ), gone AS (
    DELETE FROM globalmart.dead_letters AS d USING done AS f
    WHERE f.state IN ('applied', 'duplicate')
      AND d.topic = f.topic AND d.kafka_partition = f.kafka_partition AND d.kafka_offset = f.kafka_offset
    RETURNING d.topic, d.kafka_partition, f.state
  ), kept AS (
    UPDATE globalmart.dead_letters AS d SET reason = coalesce(f.reason, d.reason), detail = f.detail
    FROM done AS f
    WHERE f.state = 'rejected'
      AND d.topic = f.topic AND d.kafka_partition = f.kafka_partition AND d.kafka_offset = f.kafka_offset
    RETURNING 1
  ), counted AS (
    -- Messages = accepted + dead letters + duplicates stays true.
    UPDATE globalmart.kafka_offsets AS o
    SET dead_letters = o.dead_letters - c.letters, accepted = o.accepted + c.applied, duplicates = o.duplicates + c.repeated
    FROM (SELECT w.topic, w.kafka_partition, count(*) AS letters,
                 count(*) FILTER (WHERE w.state = 'applied') AS applied,
                 count(*) FILTER (WHERE w.state = 'duplicate') AS repeated
          FROM gone AS w GROUP BY w.topic, w.kafka_partition) AS c
    WHERE o.topic = c.topic AND o.kafka_partition = c.kafka_partition
    RETURNING 1
  ), seen AS (
    -- New definitions begin after these events, too. The watermark has nothing to do with them.
    UPDATE globalmart.partition_progress AS p
    SET newest_event = greatest(p.newest_event, e.newest)
    FROM (SELECT globalmart.topic_domain(f.topic) AS domain, f.kafka_partition, max(f.event_time) AS newest
          FROM done AS f WHERE f.state = 'applied' GROUP BY 1, 2) AS e
    WHERE p.domain = e.domain AND p.kafka_partition = e.kafka_partition
    RETURNING 1
  )
  SELECT CASE WHEN (SELECT count(*) FROM done WHERE done.state <> 'rejected') = (SELECT count(*) FROM gone)
               AND (SELECT count(*) FROM kept) >= 0 AND (SELECT count(*) FROM counted) >= 0 AND (SELECT count(*) FROM seen) >= 0
              THEN (SELECT count(*) FROM done) ELSE -1 END
    INTO finished;
  IF finished <> cardinality(redrive_ids) THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = 'a redrive was finished or cancelled before, or its dead letter is gone',
      HINT = 'Take redrives and finish them in one transaction; states are applied, duplicate and rejected.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.finish_redrives(bigint[], text[], text[], text[], timestamptz[]) IS
  'For the bridge: what became of redrives it took in this transaction: applied or duplicate end the dead letter, rejected keeps it with the new reason and detail; an element each. event_times: of the applied events';
