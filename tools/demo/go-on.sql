-- A kept database meets a new broker: tells the streams their topics' new names (:suffix) and prints where
-- event time goes on, after all that is closed and all that was seen.
UPDATE globalmart.streams
SET    topic = regexp_replace(topic, '(-topic)(-[0-9]{14})?$', '\1' || :'suffix')
WHERE  topic IS NOT NULL;
SELECT to_char(greatest((SELECT max(max_event_time) FROM globalmart.partition_progress),
                        (SELECT max(closed_until) FROM globalmart.rollups WHERE closed_until < 'infinity'))
               + interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
