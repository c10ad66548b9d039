-- The settings that there are. Every update runs this part again (tools/join-sql).
INSERT INTO globalmart.setting_definitions (name, kind, default_value, per_table, description) VALUES
  ('partitions_ahead', 'integer', '7', NULL, 'Days for which maintain_partitions() makes partitions ahead'),
  ('partitions_behind', 'integer', '2', NULL, 'Days before today for which maintain_partitions() makes partitions'),
  ('partitions_most', 'integer', '400', 'stream', 'Partitions that a stream may have; further days go to its default partition'),
  ('max_future', 'interval', '1 hour', 'stream', 'How far ahead of the clock the event time of rows that come by SQL may lie; NULL: as far as they like. For those of Kafka the bridge has bridge.max_future'),
  ('raw_retention', 'interval', '30 days', 'stream', 'How long raw events are kept after they arrived; NULL: for ever'),
  ('rollup_retention', 'interval', NULL, 'rollup', 'How long rows of rollups and detectors are kept, rounded up to whole months of event time; NULL: for ever'),
  ('late_events_retention', 'interval', '90 days', NULL, 'How long late_events are kept after they arrived, and in any case as long as the raw rows that verify reads; NULL: for ever'),
  ('dead_letters_retention', 'interval', '90 days', NULL, 'How long dead letters and finished redrives are kept; NULL: for ever'),
  ('etl_runs_retention', 'interval', '90 days', NULL, 'How long the record of the runs of run_etl() is kept; NULL: for ever'),
  ('rfm_span', 'interval', '1 year', NULL, 'How far rfm_analysis looks back from the end of its day; NULL: to the beginning'),
  ('alerts_retention', 'interval', '7 days', NULL, 'How long alerts that were sent are kept; NULL: for ever');
