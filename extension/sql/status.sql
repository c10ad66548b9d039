-- What goes on: watermarks, and one row for each part with what is wrong and what to do.

CREATE VIEW globalmart.watermarks AS
  SELECT s.stream, s.domain, s.topic, p.kafka_partition, d.watermark, p.max_event_time,
         globalmart.clock() - p.max_event_time AS lag,
         CASE WHEN p.at_end_since IS NOT NULL
                   AND p.checked_at - GREATEST(p.at_end_since, p.last_message_at) >= interval '1 minute'
              THEN 'idle' ELSE 'live' END AS state,
         p.last_message_at, p.checked_at
  FROM globalmart.streams AS s
  JOIN (SELECT o.domain, globalmart.domain_watermark(o.domain, interval '1 minute', 'min') AS watermark
        FROM globalmart.domains AS o) AS d ON d.domain = s.domain
  LEFT JOIN globalmart.progress_by_partition AS p ON p.domain = s.domain;
COMMENT ON VIEW globalmart.watermarks IS 'Event time by stream and Kafka partition, with the default idle timeout of a minute';
COMMENT ON COLUMN globalmart.watermarks.stream IS 'Stream';
COMMENT ON COLUMN globalmart.watermarks.domain IS 'Streams of one domain share their watermark';
COMMENT ON COLUMN globalmart.watermarks.topic IS 'Topic that brings the stream; NULL: a detector''s table';
COMMENT ON COLUMN globalmart.watermarks.kafka_partition IS 'Partition; -1: rows that came by SQL; NULL: nothing was read yet';
COMMENT ON COLUMN globalmart.watermarks.watermark IS 'Event time up to which the stream counts as complete, before a rollup''s lateness is taken off';
COMMENT ON COLUMN globalmart.watermarks.max_event_time IS 'Greatest event time that was committed';
COMMENT ON COLUMN globalmart.watermarks.lag IS 'Clock less greatest event time';
COMMENT ON COLUMN globalmart.watermarks.state IS 'live: holds the watermark; idle: at its end for a minute, holds nothing';
COMMENT ON COLUMN globalmart.watermarks.last_message_at IS 'When the last message was stored';
COMMENT ON COLUMN globalmart.watermarks.checked_at IS 'When the bridge last said how far it is';

-- Transactions that fold: a close waits for them.
CREATE VIEW globalmart.open_folds AS
  SELECT l.pid, COALESCE(a.usename, x.owner) AS user_name, a.application_name,
         CASE WHEN x.gid IS NULL THEN a.state ELSE 'prepared' END AS state, COALESCE(a.xact_start, x.prepared) AS started_at,
         d.domain, x.gid AS prepared
  FROM pg_catalog.pg_locks AS l
  JOIN globalmart.domains AS d ON globalmart.fold_lock_number(d.domain) = l.objid
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  -- One that was prepared has no process; the lock on its own number leads to its name.
  LEFT JOIN (SELECT t.virtualtransaction, p.gid, p.owner, p.prepared
             FROM pg_catalog.pg_prepared_xacts AS p
             JOIN pg_catalog.pg_locks AS t ON t.locktype = 'transactionid' AND t.transactionid = p.transaction AND t.granted AND t.pid IS NULL) AS x
    ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
  WHERE l.locktype = 'object' AND l.granted AND l.mode = 'RowExclusiveLock'
    AND l.classid = 'globalmart.domains'::pg_catalog.regclass
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database());
COMMENT ON VIEW globalmart.open_folds IS 'Transactions under way that wrote to a stream, by domain; closing waits for those that began before it';
COMMENT ON COLUMN globalmart.open_folds.pid IS 'Process, for pg_terminate_backend; NULL: the transaction is prepared';
COMMENT ON COLUMN globalmart.open_folds.user_name IS 'Role';
COMMENT ON COLUMN globalmart.open_folds.application_name IS 'Program, as it calls itself';
COMMENT ON COLUMN globalmart.open_folds.state IS 'What it does now; idle in transaction: it forgot to commit; prepared: it waits for COMMIT PREPARED';
COMMENT ON COLUMN globalmart.open_folds.started_at IS 'When the transaction began, or was prepared; NULL: you may not see it';
COMMENT ON COLUMN globalmart.open_folds.domain IS 'Watermark domain whose streams it wrote to; a row for each';
COMMENT ON COLUMN globalmart.open_folds.prepared IS 'Name of a prepared transaction; NULL: a process has it';

CREATE VIEW globalmart.status AS
  -- Topics: is somebody reading, and how fast.
  SELECT 'topic ' || t.topic AS part,
         CASE WHEN t.checked_at < globalmart.clock() - interval '30 seconds' THEN 'stopped'
              WHEN t.lagging > 0 THEN 'catching up' ELSE 'running' END AS state,
         t.messages_a_second AS rows_a_second,
         t.lag,
         CASE WHEN t.checked_at < globalmart.clock() - interval '30 seconds'
              THEN pg_catalog.format('no bridge has reported since %s', pg_catalog.to_char(t.checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
              WHEN t.lagging > 0 THEN pg_catalog.format('%s of %s partitions are not read to their end', t.lagging, t.partitions) END AS problem,
         CASE WHEN t.checked_at < globalmart.clock() - interval '30 seconds' THEN 'Start globalmart-bridge, or see its log; a topic that is no longer read: SELECT globalmart.forget_partitions(topic).' END AS remedy
  FROM (
    SELECT o.topic, pg_catalog.count(*) AS partitions,
           GREATEST(pg_catalog.max(p.checked_at), pg_catalog.max(o.advanced_at), pg_catalog.max(o.claimed_at)) AS checked_at,
           pg_catalog.count(*) FILTER (WHERE p.domain IS NOT NULL AND p.at_end_since IS NULL) AS lagging,
           pg_catalog.sum(o.messages_a_second) FILTER (WHERE o.advanced_at > globalmart.clock() - interval '30 seconds') AS messages_a_second,
           globalmart.clock() - pg_catalog.max(p.max_event_time) AS lag
    FROM globalmart.kafka_offsets AS o
    LEFT JOIN globalmart.partition_progress AS p
      ON p.domain = globalmart.topic_domain(o.topic) AND p.kafka_partition = o.kafka_partition
    GROUP BY o.topic
  ) AS t
  UNION ALL
  -- Closing: what failed, and what holds it up.
  SELECT 'windows of ' || d.domain,
         CASE WHEN d.failed IS NOT NULL THEN 'failed'
              WHEN d.held_since < globalmart.clock() - interval '10 seconds' THEN 'held up'
              WHEN d.stopped_since IS NOT NULL THEN 'waiting'
              WHEN d.paused IS NOT NULL THEN 'paused' ELSE 'running' END,
         NULL::double precision,
         globalmart.clock() - NULLIF(d.closed_until, '-infinity'),
         CASE WHEN d.failed IS NOT NULL THEN pg_catalog.format('%s: %s', d.failed, d.last_error)
              WHEN d.held_since < globalmart.clock() - interval '10 seconds'
              THEN COALESCE((SELECT CASE WHEN f.prepared IS NULL
                                         THEN pg_catalog.format('process %s (%s, %s) has been writing since %s', f.pid, f.user_name, f.state, f.started_at)
                                         ELSE pg_catalog.format('prepared transaction %L (%s) has been waiting since %s', f.prepared, f.user_name, f.started_at) END
                             FROM globalmart.open_folds AS f WHERE f.domain = d.domain ORDER BY f.started_at NULLS LAST, f.pid LIMIT 1),
                            'windows were published and nobody merges them')
              WHEN d.stopped_since IS NOT NULL
              THEN pg_catalog.format('topic %s has not been read since %s: the watermark stands still, and later windows stay open', d.topics,
                                     pg_catalog.to_char(d.stopped_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
              WHEN d.paused IS NOT NULL THEN pg_catalog.format('paused: %s', d.paused) END,
         CASE WHEN d.failed IS NOT NULL
              THEN pg_catalog.format('Mend the cause, then SELECT globalmart.resume_rollup(%L).', d.failed)
              WHEN d.held_since < globalmart.clock() - interval '10 seconds'
              THEN COALESCE((SELECT CASE WHEN f.prepared IS NULL
                                         THEN pg_catalog.format('Let it commit, or SELECT pg_terminate_backend(%s).', f.pid)
                                         ELSE pg_catalog.format('COMMIT PREPARED %1$L, or ROLLBACK PREPARED %1$L; see pg_prepared_xacts.', f.prepared) END
                             FROM globalmart.open_folds AS f WHERE f.domain = d.domain ORDER BY f.started_at NULLS LAST, f.pid LIMIT 1),
                            'CALL globalmart.close_windows(), or start globalmart-bridge.')
              WHEN d.stopped_since IS NOT NULL
              THEN 'Start globalmart-bridge, or see its log; a topic that is no longer read: SELECT globalmart.forget_partitions(topic).'
              WHEN d.paused IS NOT NULL THEN 'SELECT globalmart.resume_rollup(name) lets it go on.' END
  FROM (
    SELECT c.domain,
           pg_catalog.min(c.name) FILTER (WHERE c.state = 'failed') AS failed,
           (pg_catalog.array_agg(c.last_error ORDER BY c.name) FILTER (WHERE c.state = 'failed'))[1] AS last_error,
           pg_catalog.string_agg(c.name, ', ' ORDER BY c.name) FILTER (WHERE c.state = 'paused') AS paused,
           pg_catalog.min(p.merged_until) AS closed_until,
           (SELECT pg_catalog.string_agg(DISTINCT s.topic, ', ') FROM globalmart.streams AS s WHERE s.domain = c.domain) AS topics,
           -- Without a bridge there is no row; with one, the most recent report counts.
           (SELECT pg_catalog.max(g.checked_at) FROM globalmart.partition_progress AS g WHERE g.domain = c.domain
            HAVING pg_catalog.max(g.checked_at) < globalmart.clock() - interval '30 seconds') AS stopped_since,
           pg_catalog.min(p.published_at) FILTER (WHERE p.merged_until < p.closed_until AND c.state = 'live') AS held_since
    FROM globalmart.rollup_catalog AS c
    LEFT JOIN LATERAL (
      SELECT pg_catalog.max(g.merged_until) AS merged_until, pg_catalog.max(g.closed_until) AS closed_until,
             pg_catalog.max(g.published_at) AS published_at
      FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS g USING (version_id)
      WHERE v.rollup = c.name AND c.kind = 'rollup') AS p ON true
    GROUP BY c.domain
  ) AS d
  UNION ALL
  -- What the bridge says of its memory of event ids; for a bridge that is away its topics speak.
  SELECT 'event ids', CASE WHEN i.domains IS NULL THEN 'remembered' ELSE 'forgotten early' END, NULL, NULL,
         CASE WHEN i.domains IS NOT NULL
              THEN pg_catalog.format('the bridge has more event ids of %s to remember than it may: an event that comes again may count twice', i.domains) END,
         CASE WHEN i.domains IS NOT NULL
              THEN pg_catalog.format('Raise bridge.dedup_max_ids and start globalmart-bridge again; it must remember %s of events.', globalmart.dedup_horizon()) END
  FROM (SELECT pg_catalog.string_agg(DISTINCT g.domain, ', ') AS domains FROM globalmart.partition_progress AS g
        WHERE g.ids_capped AND g.checked_at >= globalmart.clock() - interval '30 seconds') AS i
  UNION ALL
  -- Partitions: enough ahead, not too many, none kept that should be gone.
  SELECT 'partitions of ' || l.stream,
         CASE WHEN l.unfolded IS NOT NULL THEN 'not folded'
              WHEN l.last_day IS NULL OR l.last_day <= l.today THEN 'missing'
              WHEN l.leaves > l.most THEN 'full' WHEN l.default_bytes > 0 THEN 'in part' ELSE 'ready' END,
         NULL, NULL,
         CASE WHEN l.unfolded IS NOT NULL
              THEN pg_catalog.format('rows of statements that name %s are in no rollup', pg_catalog.array_to_string(l.unfolded, ', '))
              WHEN l.last_day IS NULL OR l.last_day <= l.today THEN 'there is no partition for tomorrow'
              WHEN l.leaves > l.most THEN pg_catalog.format('%s partitions, as many as partitions_most allows: further days go to the default partition', l.leaves)
              WHEN l.default_bytes > 0 THEN pg_catalog.format('%s of rows are in the default partition', pg_catalog.pg_size_pretty(l.default_bytes)) END,
         CASE WHEN l.unfolded IS NOT NULL
              THEN pg_catalog.format('SELECT globalmart.create_stream_triggers(%L, %L), as the owner of that table.', l.stream, l.unfolded[1])
              WHEN l.last_day IS NULL OR l.last_day <= l.today THEN 'CALL globalmart.maintain_partitions() each day (pg_cron); while a reader keeps the table open it tries in vain.'
              WHEN l.leaves > l.most THEN 'CALL globalmart.drop_old_partitions(), or raise partitions_most.'
              WHEN l.default_bytes > 0 THEN 'No harm; they go by retention as others do.' END
  FROM (
    SELECT s AS stream, (globalmart.clock() AT TIME ZONE 'UTC')::date AS today,
           globalmart.setting('partitions_most', s)::int AS most,
           pg_catalog.count(*) AS leaves, pg_catalog.max(b.day) AS last_day,
           pg_catalog.max(pg_catalog.pg_relation_size(pg_catalog.to_regclass('globalmart.' || pg_catalog.quote_ident(b.leaf))))
             FILTER (WHERE b.day IS NULL) AS default_bytes,
           -- Made by hand, since create_stream.
           (SELECT pg_catalog.array_agg(pg_catalog.format('%I.%I', c.relnamespace::pg_catalog.regnamespace::text, c.relname) ORDER BY c.relname)
            FROM globalmart.streams AS r
            CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.relation) AS t
            JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
            WHERE r.stream = s AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = t.relid
                                                 AND g.tgfoid = 'globalmart.fold_rows()'::pg_catalog.regprocedure)) AS unfolded
    FROM globalmart.partitioned_streams() AS s
    CROSS JOIN LATERAL globalmart.stream_leaves(s) AS b
    GROUP BY s
  ) AS l
  UNION ALL
  SELECT 'dead letters',
         CASE WHEN d.messages = 0 THEN 'none'
              WHEN d.last_received_at > globalmart.clock() - interval '1 hour' THEN 'arriving' ELSE 'kept' END,
         NULL, globalmart.clock() - d.last_received_at,
         CASE WHEN d.messages > 0 THEN pg_catalog.format('%s messages were not applied', d.messages) END,
         CASE WHEN d.messages > 0 THEN 'See globalmart.dead_letter_summary; globalmart.redrive_dead_letters() has them applied once the cause is mended.' END
  FROM (SELECT COALESCE(pg_catalog.sum(m.messages), 0) AS messages, pg_catalog.max(m.last_received_at) AS last_received_at
        FROM globalmart.dead_letter_summary AS m) AS d
  UNION ALL
  SELECT 'redrives', CASE WHEN r.waiting = 0 THEN 'none' ELSE 'waiting' END, NULL, globalmart.clock() - r.oldest,
         CASE WHEN r.oldest < globalmart.clock() - interval '1 minute' THEN pg_catalog.format('%s redrives have waited for a bridge', r.waiting) END,
         CASE WHEN r.oldest < globalmart.clock() - interval '1 minute' THEN 'Start globalmart-bridge, or see its log.' END
  FROM (SELECT pg_catalog.count(*) AS waiting, pg_catalog.min(w.requested_at) AS oldest
        FROM globalmart.dead_letter_redrives AS w WHERE w.state = 'waiting') AS r
  UNION ALL
  SELECT 'alerts', CASE WHEN a.unsent = 0 THEN 'sent' WHEN a.oldest < globalmart.clock() - interval '1 minute' THEN 'stuck' ELSE 'sending' END,
         NULL, globalmart.clock() - a.oldest,
         CASE WHEN a.oldest < globalmart.clock() - interval '1 minute' THEN pg_catalog.format('%s alerts are not sent', a.unsent) END,
         CASE WHEN a.oldest < globalmart.clock() - interval '1 minute'
              THEN 'Start globalmart-bridge, or SELECT globalmart.send_alerts() where only NOTIFY is wanted.' END
  FROM (SELECT pg_catalog.count(*) AS unsent, pg_catalog.min(o.created_at) AS oldest
        FROM globalmart.alerts_outbox AS o WHERE o.sent_at IS NULL) AS a
  UNION ALL
  SELECT 'late events', CASE WHEN e.late = 0 THEN 'none' ELSE 'arriving' END, NULL, NULL,
         CASE WHEN e.late > 0 THEN pg_catalog.format('%s events of the last hour came too late for a rollup, most for %s', e.late, e.rollup) END,
         CASE WHEN e.late > 0 THEN 'SELECT globalmart.alter_rollup(name, lateness => ...) waits longer.' END
  FROM (SELECT COALESCE(pg_catalog.sum(c.late), 0) AS late, (pg_catalog.array_agg(c.rollup ORDER BY c.late DESC, c.rollup))[1] AS rollup
        FROM (SELECT l.rollup, pg_catalog.count(*) AS late FROM globalmart.late_events AS l
              WHERE l.received_at > globalmart.clock() - interval '1 hour' GROUP BY l.rollup) AS c) AS e
  UNION ALL
  SELECT 'warehouse', n.state, NULL, n.lag, n.problem, n.remedy FROM globalmart.night_state() AS n
  UNION ALL
  SELECT 'scheduled jobs', CASE WHEN j.jobs = 0 THEN 'none' WHEN j.failed IS NOT NULL THEN 'failed' ELSE 'scheduled' END, NULL, NULL,
         j.failed, CASE WHEN j.failed IS NOT NULL THEN 'Mend the cause; the job tries again when it is due, see globalmart.scheduled_jobs.' END
  FROM (SELECT pg_catalog.count(*) AS jobs,
               (pg_catalog.array_agg(pg_catalog.format('%s failed: %s', s.job, s.last_message) ORDER BY s.job)
                  FILTER (WHERE s.last_outcome = 'failed' AND s.next_due IS NOT NULL))[1] AS failed
        FROM globalmart.scheduled_jobs AS s) AS j;
COMMENT ON VIEW globalmart.status IS 'One row for each part: how it is, and what to do about what is wrong';
COMMENT ON COLUMN globalmart.status.part IS 'Topic, windows of a domain, event ids, partitions of a stream, dead letters, redrives, alerts, late events, warehouse, scheduled jobs';
COMMENT ON COLUMN globalmart.status.state IS 'In a word';
COMMENT ON COLUMN globalmart.status.rows_a_second IS 'Messages applied a second, over the last ten seconds or more; topics only';
COMMENT ON COLUMN globalmart.status.lag IS 'Behind the clock: event time of topics and windows, age of what waits or came last for others, of the warehouse the time since its last load began';
COMMENT ON COLUMN globalmart.status.problem IS 'What is wrong; NULL: nothing';
COMMENT ON COLUMN globalmart.status.remedy IS 'What to do about it';
