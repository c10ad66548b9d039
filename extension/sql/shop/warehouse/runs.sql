-- The record of the night, and what makes it safe to kill. A load takes a span of offsets of every stream and
-- partition (etl_spans), then goes day by day (etl_load_days), each day with its facts in one transaction.
-- Only when every day is in does the high-water mark move (raw_reader_progress), in the transaction that ends
-- the load. A load that was killed is taken up again with the same spans, before a new one begins.
CREATE TABLE IF NOT EXISTS globalmart.etl_runs (
  run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  analysis_day date NOT NULL,
  state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'killed')),
  started_at   timestamptz NOT NULL DEFAULT globalmart.clock(),
  ended_at     timestamptz,
  rows_read    bigint NOT NULL DEFAULT 0,
  rows_written bigint NOT NULL DEFAULT 0,
  rows_rejected bigint NOT NULL DEFAULT 0,
  sql_rows_below bigint,
  backend_pid  int NOT NULL DEFAULT pg_backend_pid(),
  started_by   text NOT NULL DEFAULT session_user,
  last_error   text
);
COMMENT ON TABLE globalmart.etl_runs IS 'Runs of run_etl()';
COMMENT ON COLUMN globalmart.etl_runs.run_id IS 'Number of the run';
COMMENT ON COLUMN globalmart.etl_runs.analysis_day IS 'The day up to which it analyses';
COMMENT ON COLUMN globalmart.etl_runs.state IS 'running, done, failed (last_error says why) or killed (its session ended before it did; a later run found it so and took up its work)';
COMMENT ON COLUMN globalmart.etl_runs.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.etl_runs.ended_at IS 'When it ended';
COMMENT ON COLUMN globalmart.etl_runs.rows_read IS 'Events and changes of the catalogue that it read';
COMMENT ON COLUMN globalmart.etl_runs.rows_written IS 'Facts and versions that it wrote';
COMMENT ON COLUMN globalmart.etl_runs.rows_rejected IS 'Rows that were there already: repeated events';
COMMENT ON COLUMN globalmart.etl_runs.sql_rows_below IS 'Rows that came by SQL with a smaller kafka_offset are in its load';
COMMENT ON COLUMN globalmart.etl_runs.backend_pid IS 'Process of the server that runs it';
COMMENT ON COLUMN globalmart.etl_runs.started_by IS 'Role that called it';
COMMENT ON COLUMN globalmart.etl_runs.last_error IS 'What went wrong';

CREATE TABLE IF NOT EXISTS globalmart.etl_steps (
  run_id        bigint NOT NULL REFERENCES globalmart.etl_runs ON DELETE CASCADE,
  step_no       int NOT NULL,
  step          text NOT NULL,
  day           date,
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'killed')),
  started_at    timestamptz NOT NULL DEFAULT globalmart.clock(),
  seconds       double precision,
  rows_read     bigint,
  rows_written  bigint,
  rows_rejected bigint,
  last_error    text,
  PRIMARY KEY (run_id, step_no)
);
COMMENT ON TABLE globalmart.etl_steps IS 'Steps of the runs of run_etl(), each a transaction';
COMMENT ON COLUMN globalmart.etl_steps.run_id IS 'Run that it belongs to';
COMMENT ON COLUMN globalmart.etl_steps.step_no IS 'Its number in the run, from 1';
COMMENT ON COLUMN globalmart.etl_steps.step IS 'What it does';
COMMENT ON COLUMN globalmart.etl_steps.day IS 'UTC day that it is about; NULL: no one day';
COMMENT ON COLUMN globalmart.etl_steps.state IS 'running, done, failed or killed';
COMMENT ON COLUMN globalmart.etl_steps.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.etl_steps.seconds IS 'How long it took';
COMMENT ON COLUMN globalmart.etl_steps.rows_read IS 'Rows read';
COMMENT ON COLUMN globalmart.etl_steps.rows_written IS 'Rows written';
COMMENT ON COLUMN globalmart.etl_steps.rows_rejected IS 'Rows that were there already: repeated events';
COMMENT ON COLUMN globalmart.etl_steps.last_error IS 'What went wrong';

CREATE TABLE IF NOT EXISTS globalmart.etl_spans (
  stream          text NOT NULL,
  kafka_partition int NOT NULL,
  from_offset     bigint NOT NULL,
  until_offset    bigint NOT NULL CHECK (from_offset <= until_offset),
  PRIMARY KEY (stream, kafka_partition)
);
COMMENT ON TABLE globalmart.etl_spans IS 'What the load under way takes: offsets by stream and partition; empty between loads';
COMMENT ON COLUMN globalmart.etl_spans.stream IS 'Stream';
COMMENT ON COLUMN globalmart.etl_spans.kafka_partition IS 'Partition; -1: rows that came by SQL';
COMMENT ON COLUMN globalmart.etl_spans.from_offset IS 'First offset';
COMMENT ON COLUMN globalmart.etl_spans.until_offset IS 'Offset after the last';

-- A redriven dead letter keeps its old offset, below what was loaded: it is loaded by its number.
CREATE TABLE IF NOT EXISTS globalmart.etl_redrives (
  redrive_id      bigint NOT NULL,
  stream          text NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  loaded          boolean NOT NULL DEFAULT false,
  PRIMARY KEY (redrive_id, stream)
);
CREATE INDEX IF NOT EXISTS etl_redrives_to_load ON globalmart.etl_redrives (stream, kafka_partition, kafka_offset) WHERE NOT loaded;
COMMENT ON TABLE globalmart.etl_redrives IS 'Redriven dead letters that the load under way takes, and those that earlier ones took';
COMMENT ON COLUMN globalmart.etl_redrives.redrive_id IS 'Request of dead_letter_redrives';
COMMENT ON COLUMN globalmart.etl_redrives.stream IS 'Stream that its rows are in';
COMMENT ON COLUMN globalmart.etl_redrives.kafka_partition IS 'Partition of the message';
COMMENT ON COLUMN globalmart.etl_redrives.kafka_offset IS 'Its offset';
COMMENT ON COLUMN globalmart.etl_redrives.loaded IS 'False while the load that takes it is under way';

CREATE TABLE IF NOT EXISTS globalmart.etl_load_days (
  day    date PRIMARY KEY,
  loaded boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE globalmart.etl_load_days IS 'Days with events in the load under way; empty between loads';
COMMENT ON COLUMN globalmart.etl_load_days.day IS 'UTC day';
COMMENT ON COLUMN globalmart.etl_load_days.loaded IS 'Whether its facts are in';

CREATE TABLE IF NOT EXISTS globalmart.etl_analyses (
  analysis text NOT NULL CHECK (analysis IN ('sales', 'products', 'rfm', 'forecast')),
  day      date NOT NULL,
  done_at  timestamptz,
  PRIMARY KEY (analysis, day)
);
CREATE INDEX IF NOT EXISTS etl_analyses_to_do ON globalmart.etl_analyses (day) WHERE done_at IS NULL;
COMMENT ON TABLE globalmart.etl_analyses IS 'Which analysis was done for which day, and which is to be done or done again';
COMMENT ON COLUMN globalmart.etl_analyses.analysis IS 'sales (daily_category_sales), products (product_performance), rfm (rfm_analysis) or forecast (demand_forecast; only of the last day)';
COMMENT ON COLUMN globalmart.etl_analyses.day IS 'UTC day';
COMMENT ON COLUMN globalmart.etl_analyses.done_at IS 'When it was done; NULL: to be done, because facts that it looks at are new';

CREATE OR REPLACE FUNCTION globalmart.mark_for_analysis(days date[], analyses text[] DEFAULT '{sales,products,rfm}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  span interval := globalmart.setting('rfm_span')::interval;
BEGIN
  INSERT INTO globalmart.etl_analyses (analysis, day)
  SELECT a.analysis, d.day
  FROM (SELECT DISTINCT u.day FROM unnest(mark_for_analysis.days) AS u(day)) AS d CROSS JOIN unnest(mark_for_analysis.analyses) AS a(analysis)
  ORDER BY 1, 2
  ON CONFLICT (analysis, day) DO UPDATE SET done_at = NULL;
  IF 'rfm' = ANY (mark_for_analysis.analyses) THEN
    -- Later days look back on it, as far as their span goes.
    UPDATE globalmart.etl_analyses AS a SET done_at = NULL
    WHERE a.analysis = 'rfm' AND a.done_at IS NOT NULL
      AND EXISTS (SELECT FROM unnest(mark_for_analysis.days) AS u(day)
                  WHERE u.day < a.day AND (span IS NULL OR (a.day + 1)::timestamp - span < (u.day + 1)::timestamp));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.mark_for_analysis(date[], text[]) IS
  'Has days analysed, or analysed again, and what looks back on them. analyses: sales, products, rfm';

CREATE OR REPLACE VIEW globalmart.etl_progress AS
  SELECT r.run_id, r.state, r.analysis_day, r.started_at,
         extract(epoch FROM coalesce(r.ended_at, globalmart.clock()) - r.started_at)::double precision AS seconds,
         s.step, s.day, s.step_no AS steps_begun,
         extract(epoch FROM globalmart.clock() - s.started_at)::double precision AS step_seconds,
         (SELECT count(*) FROM globalmart.etl_load_days AS d WHERE d.loaded) AS days_loaded,
         (SELECT count(*) FROM globalmart.etl_load_days) AS days_to_load,
         r.rows_read, r.rows_written, r.rows_rejected, r.last_error
  FROM globalmart.etl_runs AS r
  LEFT JOIN LATERAL (SELECT t.* FROM globalmart.etl_steps AS t WHERE t.run_id = r.run_id ORDER BY t.step_no DESC LIMIT 1) AS s ON true
  ORDER BY r.run_id DESC
  LIMIT 1;
COMMENT ON VIEW globalmart.etl_progress IS 'The last run of run_etl(): what it does now, since when, and how far it is';
COMMENT ON COLUMN globalmart.etl_progress.run_id IS 'Number of the run';
COMMENT ON COLUMN globalmart.etl_progress.state IS 'running, done, failed or killed';
COMMENT ON COLUMN globalmart.etl_progress.analysis_day IS 'The day up to which it analyses';
COMMENT ON COLUMN globalmart.etl_progress.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.etl_progress.seconds IS 'How long it has been running, or took';
COMMENT ON COLUMN globalmart.etl_progress.step IS 'Its last step';
COMMENT ON COLUMN globalmart.etl_progress.day IS 'UTC day that the step is about';
COMMENT ON COLUMN globalmart.etl_progress.steps_begun IS 'Steps that it has begun';
COMMENT ON COLUMN globalmart.etl_progress.step_seconds IS 'Since when the last step runs; seconds';
COMMENT ON COLUMN globalmart.etl_progress.days_loaded IS 'Days that the load under way has done';
COMMENT ON COLUMN globalmart.etl_progress.days_to_load IS 'Days with events in the load under way';
COMMENT ON COLUMN globalmart.etl_progress.rows_read IS 'Rows read so far';
COMMENT ON COLUMN globalmart.etl_progress.rows_written IS 'Rows written so far';
COMMENT ON COLUMN globalmart.etl_progress.rows_rejected IS 'Rows that were there already: repeated events';
COMMENT ON COLUMN globalmart.etl_progress.last_error IS 'What went wrong';
