-- What the engine knows and keeps: domains, streams, rollups with their versions, shared partial
-- plans, progress of event time. The rows are configuration and go with pg_dump.
-- No foreign keys between these tables: a parallel restore loads them in any order, and those of an
-- extension's tables are there before the rows.

CREATE TABLE globalmart.domains (
  domain             text PRIMARY KEY,
  close_seq          bigint   NOT NULL DEFAULT 0,
  definition_version bigint   NOT NULL DEFAULT 1,
  generation         smallint NOT NULL DEFAULT 0 CHECK (generation IN (0, 1)),
  draining           boolean  NOT NULL DEFAULT false,
  switched_by        xid8,
  retired_by         xid8,
  newest_event       timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.domains IS 'A watermark domain: the streams that one topic feeds and that share its event time; one row each, locked by whoever publishes';
COMMENT ON COLUMN globalmart.domains.domain IS 'Name of the domain';
COMMENT ON COLUMN globalmart.domains.close_seq IS 'Counts publications; a fold stamps its partials with the value that it saw';
COMMENT ON COLUMN globalmart.domains.definition_version IS 'Raised by every change of streams, rollups or detectors; backends recompile when it moves';
COMMENT ON COLUMN globalmart.domains.generation IS 'Which of the two partial logs folds append to: partial_log_DOMAIN_0 or _1';
COMMENT ON COLUMN globalmart.domains.draining IS 'True while the other log still holds partials of open windows';
COMMENT ON COLUMN globalmart.domains.switched_by IS 'Transaction that exchanged the logs last: which exchange a drain has waited for';
COMMENT ON COLUMN globalmart.domains.newest_event IS 'Greatest event time of partitions that were forgotten, and of rows that were there before their table was a stream: new definitions begin after it, and the watermark has nothing to do with it';
COMMENT ON COLUMN globalmart.domains.retired_by IS 'Transaction that moved the last open partials out of the other log; it is truncated once no snapshot is older';

CREATE TABLE globalmart.streams (
  stream      text PRIMARY KEY,
  domain      text NOT NULL,
  topic       text,
  relation    regclass NOT NULL,
  time_column name NOT NULL,
  id_column   name NOT NULL,
  line_column name,
  has_offsets boolean NOT NULL
);
COMMENT ON TABLE globalmart.streams IS 'Tables whose new rows are folded into rollups';
COMMENT ON COLUMN globalmart.streams.stream IS 'Name of the stream';
COMMENT ON COLUMN globalmart.streams.domain IS 'Watermark domain that it belongs to';
COMMENT ON COLUMN globalmart.streams.topic IS 'Topic that its rows come from; NULL: none';
COMMENT ON COLUMN globalmart.streams.relation IS 'The table';
COMMENT ON COLUMN globalmart.streams.time_column IS 'Column with the event time';
COMMENT ON COLUMN globalmart.streams.id_column IS 'Column with the event id';
COMMENT ON COLUMN globalmart.streams.line_column IS 'With the id, what tells the rows of one event apart; NULL: an event is one row';
COMMENT ON COLUMN globalmart.streams.has_offsets IS 'Whether the rows carry kafka_partition and kafka_offset; the tables of detectors do not';

CREATE TABLE globalmart.rollup_catalog (
  name             text PRIMARY KEY,
  kind             text NOT NULL CHECK (kind IN ('rollup', 'detector')),
  domain           text NOT NULL,
  query            text NOT NULL,
  lateness         interval NOT NULL DEFAULT '0',
  idle_timeout     interval NOT NULL DEFAULT '1 minute',
  watermark_policy text NOT NULL DEFAULT 'min' CHECK (watermark_policy IN ('min', 'max')),
  state            text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'paused', 'failed')),
  last_error       text,
  created_at       timestamptz NOT NULL DEFAULT globalmart.clock()
);
COMMENT ON TABLE globalmart.rollup_catalog IS 'Rollups and detectors by name; the definition in force and its settings';
COMMENT ON COLUMN globalmart.rollup_catalog.name IS 'Name of the rollup or detector, and of its table';
COMMENT ON COLUMN globalmart.rollup_catalog.kind IS 'rollup or detector';
COMMENT ON COLUMN globalmart.rollup_catalog.domain IS 'Watermark domain of its source';
COMMENT ON COLUMN globalmart.rollup_catalog.query IS 'The definition in force, as it was written';
COMMENT ON COLUMN globalmart.rollup_catalog.lateness IS 'How much later than its neighbours an event may come';
COMMENT ON COLUMN globalmart.rollup_catalog.idle_timeout IS 'After which a silent partition no longer holds the watermark';
COMMENT ON COLUMN globalmart.rollup_catalog.watermark_policy IS 'min or max over the partitions';
COMMENT ON COLUMN globalmart.rollup_catalog.state IS 'live, paused or failed';
COMMENT ON COLUMN globalmart.rollup_catalog.last_error IS 'Why the last close failed; NULL: it did not';
COMMENT ON COLUMN globalmart.rollup_catalog.created_at IS 'When it was made (UTC)';

-- A plan is a set of partials that several rollups may share: one source, one filter, one list of
-- keys, one slice width. Aggregate states are numbered and only ever added.
CREATE TABLE globalmart.partial_plans (
  plan_id              int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  domain               text NOT NULL,
  source               text NOT NULL,
  window_kind          text NOT NULL CHECK (window_kind IN ('slice', 'session')),
  slice_width          bigint NOT NULL,
  slice_offset         bigint NOT NULL,
  key_signatures       text[] NOT NULL,
  aggregate_signatures text[] NOT NULL,
  base_query           text NOT NULL
);
COMMENT ON TABLE globalmart.partial_plans IS 'What is folded: keys and aggregate states per slice, shared by the rollups that can be merged from them';
COMMENT ON COLUMN globalmart.partial_plans.plan_id IS 'Number of the plan; partials name it';
COMMENT ON COLUMN globalmart.partial_plans.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.partial_plans.source IS 'The stream with the conditions, in the compiler''s words; own: ... for a plan that is not shared';
COMMENT ON COLUMN globalmart.partial_plans.window_kind IS 'slice or session';
COMMENT ON COLUMN globalmart.partial_plans.slice_offset IS 'Microseconds from 1970-01-01 UTC at which slices begin';
COMMENT ON COLUMN globalmart.partial_plans.key_signatures IS 'The keys, in the compiler''s words, in their order in partials';
COMMENT ON COLUMN globalmart.partial_plans.aggregate_signatures IS 'The aggregate states, in the compiler''s words; only ever added to';
COMMENT ON COLUMN globalmart.partial_plans.base_query IS 'The query of the first rollup of the plan: types and expressions are read off it';
COMMENT ON COLUMN globalmart.partial_plans.slice_width IS 'Microseconds: the widest pane that tiles all windows; the gap for sessions';

CREATE TABLE globalmart.rollup_versions (
  version_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rollup            text NOT NULL,
  domain            text NOT NULL,
  query             text NOT NULL,
  plan_id           int,
  key_numbers       int[],
  aggregate_numbers int[],
  window_kind       text CHECK (window_kind IN ('tumble', 'hop', 'session')),
  width             bigint,
  slide             bigint,
  window_offset     bigint,
  live_from         timestamptz NOT NULL DEFAULT '-infinity',
  live_until        timestamptz NOT NULL DEFAULT 'infinity',
  close_query       text,
  window_query      text,
  per_window        boolean NOT NULL DEFAULT false,
  columns           text[],
  key_columns       text[],
  clock_columns     text[]
);
CREATE INDEX ON globalmart.rollup_versions (rollup);
COMMENT ON TABLE globalmart.rollup_versions IS 'A definition in force for a span of event time: alter_rollup ends one at a boundary and begins the next';
COMMENT ON COLUMN globalmart.rollup_versions.version_id IS 'Number of the version';
COMMENT ON COLUMN globalmart.rollup_versions.rollup IS 'Rollup or detector';
COMMENT ON COLUMN globalmart.rollup_versions.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.rollup_versions.query IS 'The definition, as it was written';
COMMENT ON COLUMN globalmart.rollup_versions.plan_id IS 'Partials that it is merged from; NULL: a detector';
COMMENT ON COLUMN globalmart.rollup_versions.key_numbers IS 'Where its keys are among the plan''s, from 0';
COMMENT ON COLUMN globalmart.rollup_versions.aggregate_numbers IS 'Where its aggregates are among the plan''s states, from 0';
COMMENT ON COLUMN globalmart.rollup_versions.window_kind IS 'tumble, hop or session; NULL: a detector';
COMMENT ON COLUMN globalmart.rollup_versions.slide IS 'Microseconds from one window to the next; the gap of a session rollup';
COMMENT ON COLUMN globalmart.rollup_versions.window_offset IS 'Microseconds from 1970-01-01 UTC at which windows begin';
COMMENT ON COLUMN globalmart.rollup_versions.live_from IS 'Start of the first window of this version, inclusive';
COMMENT ON COLUMN globalmart.rollup_versions.live_until IS 'Windows that begin from here on are the next version''s';
COMMENT ON COLUMN globalmart.rollup_versions.window_query IS 'The ends of the windows that a close would see; used where per_window';
COMMENT ON COLUMN globalmart.rollup_versions.per_window IS 'Whether the levels above the groups must see one window at a time';
COMMENT ON COLUMN globalmart.rollup_versions.columns IS 'Columns of the output, in order';
COMMENT ON COLUMN globalmart.rollup_versions.key_columns IS 'The output''s key, window_start first';
COMMENT ON COLUMN globalmart.rollup_versions.width IS 'Microseconds; the gap of a session rollup';
COMMENT ON COLUMN globalmart.rollup_versions.close_query IS 'The definition over merged groups instead of raw rows; $1 and $2 bound the window ends';
COMMENT ON COLUMN globalmart.rollup_versions.clock_columns IS 'Columns with processing time, which no comparison looks at';

CREATE TABLE globalmart.rollup_progress (
  version_id       int PRIMARY KEY,
  domain           text NOT NULL,
  closed_until     timestamptz NOT NULL DEFAULT '-infinity',
  merged_until     timestamptz NOT NULL DEFAULT '-infinity',
  published_seq    bigint NOT NULL DEFAULT 0,
  published_by     xid8,
  backfilled_until timestamptz NOT NULL DEFAULT '-infinity',
  published_at     timestamptz,
  merge_seconds    double precision NOT NULL DEFAULT 0,
  costs_from       timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.rollup_progress IS 'How far each version is closed: published (closed_until), then appended (merged_until)';
COMMENT ON COLUMN globalmart.rollup_progress.version_id IS 'Version of a rollup';
COMMENT ON COLUMN globalmart.rollup_progress.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.rollup_progress.closed_until IS 'Windows that end by then are published: what comes for them now is late';
COMMENT ON COLUMN globalmart.rollup_progress.merged_until IS 'Windows that end by then are in the table';
COMMENT ON COLUMN globalmart.rollup_progress.published_seq IS 'Number of that publication; partials with a smaller stamp count';
COMMENT ON COLUMN globalmart.rollup_progress.backfilled_until IS 'Windows that end by then are filled by backfill_rollup from raw rows, as far as it has come';
COMMENT ON COLUMN globalmart.rollup_progress.published_at IS 'When windows were published last';
COMMENT ON COLUMN globalmart.rollup_progress.merge_seconds IS 'How long the last merge took, seconds';
COMMENT ON COLUMN globalmart.rollup_progress.published_by IS 'Transaction of the last publication: it must be committed before the merge';
COMMENT ON COLUMN globalmart.rollup_progress.costs_from IS 'What windows that end later have cost is on record; NULL: of none';

-- What the stream has spent, by event time: folds while they are in no log any more, and merges. Both are written
-- by upkeep and closes alone.
CREATE TABLE globalmart.fold_costs (
  plan_id     int NOT NULL,
  slice       timestamptz NOT NULL,
  rows        bigint,
  seconds     double precision,
  cpu_seconds double precision,
  PRIMARY KEY (plan_id, slice)
) WITH (fillfactor = 70);
COMMENT ON TABLE globalmart.fold_costs IS 'What folds have spent on partials that have left their log: taken over when it is drained';
COMMENT ON COLUMN globalmart.fold_costs.plan_id IS 'Plan, see partial_plans';
COMMENT ON COLUMN globalmart.fold_costs.slice IS 'Start of the slice of event time; of the minute, where slices are narrower and for sessions';
COMMENT ON COLUMN globalmart.fold_costs.rows IS 'Rows that were folded';
COMMENT ON COLUMN globalmart.fold_costs.seconds IS 'Time that this took, for each of the rollups that share the plan; NULL, as the others: not all of it was recorded';
COMMENT ON COLUMN globalmart.fold_costs.cpu_seconds IS 'CPU time of it, shared likewise';

CREATE TABLE globalmart.merge_costs (
  version_id  int NOT NULL,
  minute      timestamptz NOT NULL,
  windows     bigint NOT NULL,
  rows        bigint NOT NULL,
  seconds     double precision NOT NULL,
  cpu_seconds double precision NOT NULL,
  PRIMARY KEY (version_id, minute)
) WITH (fillfactor = 70);
COMMENT ON TABLE globalmart.merge_costs IS 'What the merges of a version''s windows have spent';
COMMENT ON COLUMN globalmart.merge_costs.version_id IS 'Version of a rollup';
COMMENT ON COLUMN globalmart.merge_costs.minute IS 'Start of the minute up to whose end the windows ended';
COMMENT ON COLUMN globalmart.merge_costs.windows IS 'Windows that got rows; of sessions every row is one';
COMMENT ON COLUMN globalmart.merge_costs.rows IS 'Rows that were appended';
COMMENT ON COLUMN globalmart.merge_costs.seconds IS 'Time that this took';
COMMENT ON COLUMN globalmart.merge_costs.cpu_seconds IS 'CPU time of it';

CREATE TABLE globalmart.close_counter (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.close_counter IS 'The number of the last publication; locked while one is made, so that numbers commit in their order. The first domain brings the row';
COMMENT ON COLUMN globalmart.close_counter.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN globalmart.close_counter.last_seq IS 'Number of the last publication';

CREATE TABLE globalmart.partition_progress (
  domain          text NOT NULL,
  kafka_partition int NOT NULL,
  max_event_time  timestamptz,
  last_message_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  at_end_since    timestamptz,
  checked_at      timestamptz NOT NULL DEFAULT globalmart.clock(),
  ids_capped      boolean NOT NULL DEFAULT false,
  newest_event    timestamptz,
  PRIMARY KEY (domain, kafka_partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.partition_progress IS 'Event time by Kafka partition; the watermark is made of it';
COMMENT ON COLUMN globalmart.partition_progress.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.partition_progress.kafka_partition IS 'Kafka partition';
COMMENT ON COLUMN globalmart.partition_progress.last_message_at IS 'When the last message was stored';
COMMENT ON COLUMN globalmart.partition_progress.max_event_time IS 'Greatest event time, where an event of the future counts as one of when it came: the watermark is made of it';
COMMENT ON COLUMN globalmart.partition_progress.newest_event IS 'Greatest event time as it stands in the rows, those of redrives included: new definitions begin after it';
COMMENT ON COLUMN globalmart.partition_progress.at_end_since IS 'Since when the bridge has been at the end of the partition; NULL while it lags';
COMMENT ON COLUMN globalmart.partition_progress.ids_capped IS 'Whether the bridge has had to forget event ids before their time (bridge.dedup_max_ids)';
COMMENT ON COLUMN globalmart.partition_progress.checked_at IS 'When the bridge last said so: a bridge that is down makes no partition idle';

CREATE TABLE globalmart.sql_progress (
  domain         text NOT NULL,
  max_event_time timestamptz NOT NULL,
  committed_at   timestamptz NOT NULL
);
COMMENT ON TABLE globalmart.sql_progress IS 'Event time of rows that came by SQL: appended by each fold, so that clients never wait for each other; the closer keeps it short';
COMMENT ON COLUMN globalmart.sql_progress.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.sql_progress.max_event_time IS 'Greatest event time of one statement''s rows';
COMMENT ON COLUMN globalmart.sql_progress.committed_at IS 'When the statement ran';

-- What install_shop() runs. Members of the extension: an update brings new ones.
CREATE TABLE globalmart.shop_scripts (
  ordinal int PRIMARY KEY,
  name    text NOT NULL,
  body    text NOT NULL
);
COMMENT ON TABLE globalmart.shop_scripts IS 'The shipped shop as SQL: streams, lists, rollups; install_shop() runs them in order';
COMMENT ON COLUMN globalmart.shop_scripts.ordinal IS 'Place in the order';
COMMENT ON COLUMN globalmart.shop_scripts.name IS 'File that the script is from';
COMMENT ON COLUMN globalmart.shop_scripts.body IS 'SQL';

-- What came too late. A row in late_events missed every window of its rollup; in partly_late_events only
-- those windows of a version that end by missed_until: others of it (sliding windows) or of another version
-- (around the boundary of an alter_rollup) took it. Both tell the batch execution what the stream left out.
-- Offsets begin anew with their topic, and a topic may get another name: a row is known by what it is and when
-- it came besides.
CREATE TABLE globalmart.late_events (
  rollup          text        NOT NULL,
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  event_id        uuid        NOT NULL,
  event_time      timestamptz NOT NULL,
  received_at     timestamptz NOT NULL,
  PRIMARY KEY (rollup, kafka_partition, kafka_offset, event_id, event_time, received_at)
);
COMMENT ON TABLE globalmart.late_events IS 'One row for each rollup and message that came after all its windows there were closed';
COMMENT ON COLUMN globalmart.late_events.rollup IS 'Name of the rollup';
COMMENT ON COLUMN globalmart.late_events.topic IS 'Topic of the message; the stream''s topic for rows that came by SQL';
COMMENT ON COLUMN globalmart.late_events.kafka_partition IS 'Partition of the message; -1 for rows that came by SQL';
COMMENT ON COLUMN globalmart.late_events.kafka_offset IS 'Offset of the message; from globalmart.sql_row_offset for rows that came by SQL';
COMMENT ON COLUMN globalmart.late_events.event_id IS 'Id of the event';
COMMENT ON COLUMN globalmart.late_events.event_time IS 'Event time (UTC)';
COMMENT ON COLUMN globalmart.late_events.received_at IS 'When the row arrived (UTC)';

CREATE TABLE globalmart.partly_late_events (
  rollup          text        NOT NULL,
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  event_id        uuid        NOT NULL,
  event_time      timestamptz NOT NULL,
  received_at     timestamptz NOT NULL,
  missed_until    timestamptz NOT NULL,
  version_id      int         NOT NULL,
  PRIMARY KEY (rollup, kafka_partition, kafka_offset, event_id, event_time, received_at, version_id)
);
COMMENT ON TABLE globalmart.partly_late_events IS 'Messages that came in time for some windows of a rollup and too late for those of a version that end by missed_until';
COMMENT ON COLUMN globalmart.partly_late_events.rollup IS 'Name of the rollup';
COMMENT ON COLUMN globalmart.partly_late_events.topic IS 'Topic of the message; the stream''s topic for rows that came by SQL';
COMMENT ON COLUMN globalmart.partly_late_events.kafka_partition IS 'Partition of the message; -1 for rows that came by SQL';
COMMENT ON COLUMN globalmart.partly_late_events.kafka_offset IS 'Offset of the message; from globalmart.sql_row_offset for rows that came by SQL';
COMMENT ON COLUMN globalmart.partly_late_events.event_id IS 'Id of the event';
COMMENT ON COLUMN globalmart.partly_late_events.event_time IS 'Event time (UTC)';
COMMENT ON COLUMN globalmart.partly_late_events.received_at IS 'When the row arrived (UTC)';
COMMENT ON COLUMN globalmart.partly_late_events.missed_until IS 'Windows of the version that end by then are without it';
COMMENT ON COLUMN globalmart.partly_late_events.version_id IS 'Version of the rollup that it was too late for in part';
