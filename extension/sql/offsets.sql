-- Kafka offsets beside the rows that they brought, with an epoch for each owner of a partition, and what
-- else the bridge asks for. The bridge has no right on any table but to insert; these functions are all
-- that it can do besides.

CREATE TABLE globalmart.kafka_offsets (
  topic             text   NOT NULL,
  kafka_partition   int    NOT NULL CHECK (kafka_partition >= 0),
  next_offset       bigint CHECK (next_offset >= 0),
  epoch             bigint NOT NULL DEFAULT 0,
  owner             text,
  claimed_at        timestamptz,
  advanced_at       timestamptz,
  last_message_time timestamptz,
  last_message_hash bigint,
  accepted          bigint NOT NULL DEFAULT 0,
  duplicates        bigint NOT NULL DEFAULT 0,
  dead_letters      bigint NOT NULL DEFAULT 0,
  rate_from         timestamptz,
  rate_from_count   bigint NOT NULL DEFAULT 0,
  messages_a_second double precision,
  PRIMARY KEY (topic, kafka_partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.kafka_offsets IS 'How far each Kafka partition is applied: moved in the transaction that stores the rows, so that a message is applied once';
COMMENT ON COLUMN globalmart.kafka_offsets.topic IS 'Topic, by the name that globalmart.streams has';
COMMENT ON COLUMN globalmart.kafka_offsets.kafka_partition IS 'Partition of the topic';
COMMENT ON COLUMN globalmart.kafka_offsets.next_offset IS 'The last applied offset + 1; NULL: nothing was ever read';
COMMENT ON COLUMN globalmart.kafka_offsets.epoch IS 'Raised by every claim; whoever comes with an older one is fenced';
COMMENT ON COLUMN globalmart.kafka_offsets.owner IS 'Who claimed the partition last';
COMMENT ON COLUMN globalmart.kafka_offsets.claimed_at IS 'When it was claimed';
COMMENT ON COLUMN globalmart.kafka_offsets.advanced_at IS 'When messages were applied last';
COMMENT ON COLUMN globalmart.kafka_offsets.last_message_time IS 'Kafka timestamp of the last applied message';
COMMENT ON COLUMN globalmart.kafka_offsets.last_message_hash IS 'Hash of the last applied message: after a restart the bridge reads it again, and a topic that was made anew shows';
COMMENT ON COLUMN globalmart.kafka_offsets.accepted IS 'Messages accepted since the beginning, redriven ones included';
COMMENT ON COLUMN globalmart.kafka_offsets.duplicates IS 'Messages dropped because their event id was seen before';
COMMENT ON COLUMN globalmart.kafka_offsets.dead_letters IS 'Messages that went to dead_letters and were not redriven';
COMMENT ON COLUMN globalmart.kafka_offsets.rate_from IS 'Since when messages are counted for the rate';
COMMENT ON COLUMN globalmart.kafka_offsets.rate_from_count IS 'Messages applied until then';
COMMENT ON COLUMN globalmart.kafka_offsets.messages_a_second IS 'Messages applied a second in the last complete span of 10 seconds or more';

CREATE FUNCTION globalmart.topic_domain(topic text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.domain FROM globalmart.streams AS s WHERE s.topic = $1 ORDER BY s.stream LIMIT 1
$$;
COMMENT ON FUNCTION globalmart.topic_domain(text) IS
  'The watermark domain that a topic feeds; NULL for a catalogue topic';

CREATE FUNCTION globalmart.claim_partitions(topic text, partitions int[], owner text)
RETURNS TABLE (kafka_partition int, epoch bigint, next_offset bigint,
               last_message_time timestamptz, last_message_hash bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  claimed_domain text := globalmart.topic_domain(claim_partitions.topic);
  now_at timestamptz := globalmart.clock();
BEGIN
  INSERT INTO globalmart.kafka_offsets AS o (topic, kafka_partition)
  SELECT DISTINCT claim_partitions.topic, p FROM unnest(partitions) AS g(p) ORDER BY 2
  ON CONFLICT DO NOTHING;
  -- Waits for a batch of the former owner that is under way, in one order for all.
  PERFORM FROM globalmart.kafka_offsets AS o
  WHERE o.topic = claim_partitions.topic AND o.kafka_partition = ANY (partitions)
  ORDER BY o.kafka_partition
  FOR UPDATE;
  IF claimed_domain IS NOT NULL THEN
    INSERT INTO globalmart.partition_progress AS p
      (domain, kafka_partition, max_event_time, last_message_at, at_end_since, checked_at)
    SELECT DISTINCT claimed_domain, p, NULL::timestamptz, now_at, NULL::timestamptz, now_at
    FROM unnest(partitions) AS g(p) ORDER BY 2
    ON CONFLICT (domain, kafka_partition)
    DO UPDATE SET last_message_at = now_at, at_end_since = NULL, checked_at = now_at;
  END IF;
  RETURN QUERY
    UPDATE globalmart.kafka_offsets AS o
    SET epoch = o.epoch + 1, owner = claim_partitions.owner, claimed_at = now_at
    WHERE o.topic = claim_partitions.topic AND o.kafka_partition = ANY (partitions)
    RETURNING o.kafka_partition, o.epoch, o.next_offset, o.last_message_time, o.last_message_hash;
END
$$;
COMMENT ON FUNCTION globalmart.claim_partitions(text, int[], text) IS
  'Makes the caller the owner of partitions: a row each with the new epoch and the offset to go on from (NULL: never read). Batches of earlier owners fail from now on. Commit before reading on';

CREATE FUNCTION globalmart.advance_offsets(
  topic text, partitions int[], epochs bigint[], expected_offsets bigint[], next_offsets bigint[],
  max_event_times timestamptz[], last_message_times timestamptz[], last_message_hashes bigint[],
  at_end boolean[], accepted bigint[], duplicates bigint[], dead_letters bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := globalmart.clock();
  moved int;
BEGIN
  WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      AS g(kafka_partition, epoch, expected_offset, next_offset, max_event_time, last_message_time,
           last_message_hash, at_end, accepted, duplicates, dead_letters)
  ), offsets AS (
    UPDATE globalmart.kafka_offsets AS o
    SET next_offset = g.next_offset,
        advanced_at = now_at,
        last_message_time = g.last_message_time,
        last_message_hash = g.last_message_hash,
        accepted = o.accepted + g.accepted,
        duplicates = o.duplicates + g.duplicates,
        dead_letters = o.dead_letters + g.dead_letters,
        -- The rate is taken over spans of ten seconds or more.
        messages_a_second = CASE WHEN now_at >= o.rate_from + interval '10 seconds'
                                 THEN (o.accepted + o.duplicates + o.dead_letters - o.rate_from_count)
                                      / extract(epoch FROM now_at - o.rate_from) ELSE o.messages_a_second END,
        rate_from_count = CASE WHEN now_at < o.rate_from + interval '10 seconds' THEN o.rate_from_count
                               ELSE o.accepted + o.duplicates + o.dead_letters END,
        rate_from = CASE WHEN now_at < o.rate_from + interval '10 seconds' THEN o.rate_from ELSE now_at END
    FROM given AS g
    WHERE o.topic = $1 AND o.kafka_partition = g.kafka_partition
      AND o.epoch = g.epoch AND o.next_offset IS NOT DISTINCT FROM g.expected_offset
      AND g.next_offset >= coalesce(g.expected_offset, 0)
    RETURNING o.kafka_partition
  ), progress AS (
    UPDATE globalmart.partition_progress AS p
    -- An event of the future counts as one of now, and does not make the present late.
    SET max_event_time = CASE WHEN g.max_event_time IS NULL THEN p.max_event_time
                              ELSE greatest(p.max_event_time, least(g.max_event_time, now_at)) END,
        newest_event = greatest(p.newest_event, g.max_event_time),
        last_message_at = now_at,
        at_end_since = CASE WHEN g.at_end THEN now_at END,
        checked_at = now_at
    FROM given AS g
    WHERE p.domain = (SELECT s.domain FROM globalmart.streams AS s WHERE s.topic = $1 ORDER BY s.stream LIMIT 1)
      AND p.kafka_partition = g.kafka_partition
  )
  SELECT count(*) INTO moved FROM offsets;
  IF moved IS DISTINCT FROM cardinality(partitions) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'GM001',
      MESSAGE = format('%s of %s partitions of topic %s are not where this batch expects them',
                       cardinality(partitions) - moved, cardinality(partitions), topic),
      HINT = 'Another bridge owns them now, or this batch was applied before: claim them again and go on from their next_offset.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.advance_offsets(text, int[], bigint[], bigint[], bigint[], timestamptz[], timestamptz[], bigint[], boolean[], bigint[], bigint[], bigint[]) IS
  'First statement of a batch: moves each partition from its expected offset (NULL: never read) to the next one, if epoch and offset are as expected, and event time with it; an element each. SQLSTATE GM001 when the caller is fenced';

CREATE FUNCTION globalmart.report_partitions(topic text, partitions int[], epochs bigint[], at_end boolean[],
                                             ids_capped boolean DEFAULT false)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE globalmart.partition_progress AS p
  SET at_end_since = CASE WHEN r.at_end THEN coalesce(p.at_end_since, r.now_at) END,
      checked_at = r.now_at,
      ids_capped = coalesce($5, false)
  FROM (
    SELECT q.domain, q.kafka_partition, g.at_end, globalmart.clock() AS now_at
    FROM unnest($2, $3, $4) AS g(kafka_partition, epoch, at_end)
    JOIN globalmart.kafka_offsets AS o
      ON o.topic = $1 AND o.kafka_partition = g.kafka_partition AND o.epoch = g.epoch
    JOIN globalmart.partition_progress AS q
      ON q.domain = globalmart.topic_domain($1) AND q.kafka_partition = g.kafka_partition
    ORDER BY q.kafka_partition
    -- A batch that is under way says the same when it commits: nobody waits for it here.
    FOR UPDATE OF q SKIP LOCKED
  ) AS r
  WHERE p.domain = r.domain AND p.kafka_partition = r.kafka_partition
$$;
COMMENT ON FUNCTION globalmart.report_partitions(text, int[], bigint[], boolean[], boolean) IS
  'The bridge''s sign of life, about once a second: which of its partitions it has read to the end, and whether its memory of event ids was too small (bridge.dedup_max_ids). Partitions that it does not own any more are passed over';

-- By hand, when Kafka is not what it was: the bridge refuses to go on by itself then.
CREATE FUNCTION globalmart.require_partition(topic text, kafka_partition int) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known text;
BEGIN
  IF NOT EXISTS (SELECT FROM globalmart.kafka_offsets AS o WHERE o.topic = require_partition.topic) THEN
    SELECT string_agg(DISTINCT o.topic, ', ') INTO known FROM globalmart.kafka_offsets AS o;
    RAISE undefined_object USING
      MESSAGE = format('no bridge has read a topic "%s"', require_partition.topic),
      HINT = coalesce('Topics: ' || known || '.', 'None was read yet.');
  ELSIF kafka_partition IS NOT NULL
        AND NOT EXISTS (SELECT FROM globalmart.kafka_offsets AS o
                        WHERE o.topic = require_partition.topic AND o.kafka_partition = require_partition.kafka_partition) THEN
    SELECT string_agg(o.kafka_partition::text, ', ' ORDER BY o.kafka_partition) INTO known
    FROM globalmart.kafka_offsets AS o WHERE o.topic = require_partition.topic;
    RAISE undefined_object USING
      MESSAGE = format('no bridge has read a partition %s of topic "%s"', kafka_partition, require_partition.topic),
      HINT = 'Partitions: ' || known || '.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_partition(text, int) IS
  'Raises unless a bridge has read the topic, and the partition if one is given; the hint lists what there is';

CREATE FUNCTION globalmart.reset_offsets(topic text, kafka_partition int DEFAULT NULL, next_offset bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  reset bigint;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_partition(reset_offsets.topic, reset_offsets.kafka_partition);
  UPDATE globalmart.kafka_offsets AS o
  SET epoch = o.epoch + 1, owner = NULL, next_offset = reset_offsets.next_offset,
      last_message_time = NULL, last_message_hash = NULL
  WHERE o.topic = reset_offsets.topic AND (reset_offsets.kafka_partition IS NULL OR o.kafka_partition = reset_offsets.kafka_partition);
  GET DIAGNOSTICS reset = ROW_COUNT;
  -- A loader that is past the new beginning would pass over what comes now, and retention would not wait for it.
  DELETE FROM globalmart.raw_reader_progress AS p
  USING globalmart.streams AS s
  WHERE s.topic = reset_offsets.topic AND p.stream = s.stream
    AND (reset_offsets.kafka_partition IS NULL OR p.kafka_partition = reset_offsets.kafka_partition)
    AND p.kafka_partition >= 0 AND p.next_offset > coalesce(reset_offsets.next_offset, 0);
  RETURN reset;
END
$$;
COMMENT ON FUNCTION globalmart.reset_offsets(text, int, bigint) IS
  'After a topic was made anew or lost messages: lets one or all of its partitions go on at next_offset, NULL: as if never read; gives how many. A bridge that runs is fenced, and loaders that are past the new beginning begin anew. Messages that were applied before and are read again are told apart by their event ids only';

CREATE FUNCTION globalmart.forget_partitions(topic text, kafka_partition int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  topics_domain text := globalmart.topic_domain(forget_partitions.topic);
  forgotten bigint;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_partition(forget_partitions.topic, forget_partitions.kafka_partition);
  DELETE FROM globalmart.kafka_offsets AS o
  WHERE o.topic = forget_partitions.topic AND (forget_partitions.kafka_partition IS NULL OR o.kafka_partition = forget_partitions.kafka_partition);
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  -- Their rows were folded: a definition that is new begins after them as before.
  UPDATE globalmart.domains AS d SET newest_event = globalmart.greatest_event_time(topics_domain) WHERE d.domain = topics_domain;
  DELETE FROM globalmart.partition_progress AS p
  WHERE p.domain = topics_domain AND (forget_partitions.kafka_partition IS NULL OR p.kafka_partition = forget_partitions.kafka_partition);
  RETURN forgotten;
END
$$;
COMMENT ON FUNCTION globalmart.forget_partitions(text, int) IS
  'After a topic was given up or has fewer partitions: forgets offsets and event time of one or all of its partitions, so that they no longer hold the watermark; gives how many. A bridge that runs is fenced';

CREATE FUNCTION globalmart.recent_ids(stream text, partitions int[], since timestamptz)
RETURNS TABLE (event_id uuid, event_time timestamptz, kafka_partition int)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source globalmart.streams;
BEGIN
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.stream = recent_ids.stream;
  IF NOT FOUND OR NOT source.has_offsets THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no stream "%s" that a topic brings', stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT s.%I, s.%I, s.kafka_partition FROM %s AS s WHERE s.%I >= $1 AND s.kafka_partition = ANY ($2)',
    source.id_column, source.time_column, source.relation, source.time_column) USING since, partitions;
END
$$;
COMMENT ON FUNCTION globalmart.recent_ids(text, int[], timestamptz) IS
  'Event ids of the partitions with an event time from since on: what a new owner must know to drop repetitions';

CREATE FUNCTION globalmart.dedup_horizon() RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(max(make_interval(secs => v.width / 1e6) + c.lateness), interval '0')
  FROM globalmart.rollup_catalog AS c
  JOIN globalmart.rollup_versions AS v ON v.rollup = c.name
  JOIN globalmart.rollup_progress AS p USING (version_id)
  -- Windows that began before a definition ended are open until they end.
  WHERE c.kind = 'rollup' AND p.merged_until < v.live_until + make_interval(secs => v.width / 1e6)
$$;
COMMENT ON FUNCTION globalmart.dedup_horizon() IS
  'How far behind the watermark an event id must be remembered: the widest window or gap of a live rollup and its lateness. A repetition of an older event is late everywhere';

-- Lists of allowed values. A shop registers its own; the bridge reads them by name.
CREATE TABLE globalmart.lists (
  list         text PRIMARY KEY,
  relation     regclass NOT NULL,
  value_column name NOT NULL
);
COMMENT ON TABLE globalmart.lists IS 'Lists of allowed values that a profile can name';
COMMENT ON COLUMN globalmart.lists.list IS 'Name in the profile';
COMMENT ON COLUMN globalmart.lists.relation IS 'Table that holds the list';
COMMENT ON COLUMN globalmart.lists.value_column IS 'Its column with the values, text';

CREATE FUNCTION globalmart.notify_list_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('globalmart_lists', TG_ARGV[0]);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.notify_list_changed() IS
  'Statement trigger of lists: tells bridges on channel globalmart_lists which list changed';

CREATE FUNCTION globalmart.create_list(name text, relation regclass, value_column name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_owner();
  INSERT INTO globalmart.lists AS l (list, relation, value_column)
  VALUES (create_list.name, create_list.relation, create_list.value_column)
  ON CONFLICT (list) DO UPDATE SET relation = EXCLUDED.relation, value_column = EXCLUDED.value_column;
  EXECUTE format(
    'CREATE OR REPLACE TRIGGER notify_list_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
    'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.notify_list_changed(%L)', relation, name);
END
$$;
COMMENT ON FUNCTION globalmart.create_list(text, regclass, name) IS
  'Makes a column of a table a list of allowed values that profiles can name; may be called again';

CREATE FUNCTION globalmart.list_values(list text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_list globalmart.lists;
BEGIN
  SELECT l.* INTO found_list FROM globalmart.lists AS l WHERE l.list = list_values.list;
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no list "%s"', list),
      HINT = 'globalmart.create_list makes one.';
  END IF;
  RETURN QUERY EXECUTE format('SELECT l.%I::text FROM %s AS l ORDER BY 1', found_list.value_column, found_list.relation);
END
$$;
COMMENT ON FUNCTION globalmart.list_values(text) IS
  'The values on a list; NOTIFY globalmart_lists with the list''s name says that they changed';
