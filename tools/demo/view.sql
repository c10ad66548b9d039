-- What the demo shows. First line: messages, rows of closed windows, milliseconds, and a summary for where there
-- is no terminal. Then the screen: the tables in two columns, each with its rows and its newest window.
WITH counts AS MATERIALIZED (
  SELECT r.name, r.kind, r.closed_until, r.state,
         ((xpath('/row/n/text()',
                 query_to_xml(format('SELECT count(*) AS n FROM globalmart.%I', r.name), false, true, '')))[1])::text::bigint AS n
  FROM   globalmart.rollups AS r
), newest AS MATERIALIZED (
  SELECT c.*,
         CASE WHEN c.kind = 'detector' THEN 'at once'
              WHEN c.state <> 'live' THEN c.state
              WHEN c.n = 0 THEN '-'
              ELSE to_char(c.closed_until, 'MM-DD HH24:MI') END AS until,
         row_number() OVER (ORDER BY c.name) AS place, count(*) OVER () AS tables
  FROM   counts AS c
), totals AS MATERIALIZED (
  SELECT (SELECT coalesce(sum(accepted + duplicates + dead_letters), 0) FROM globalmart.kafka_offsets) AS messages,
         (SELECT coalesce(sum(accepted), 0) FROM globalmart.kafka_offsets) AS accepted,
         (SELECT coalesce(sum(duplicates), 0) FROM globalmart.kafka_offsets) AS duplicates,
         (SELECT count(*) FROM globalmart.dead_letters) AS dead_letters,
         (SELECT count(*) FROM globalmart.late_events) AS late,
         (SELECT coalesce(sum(n), 0) FROM counts WHERE kind = 'rollup') AS closed_rows,
         (SELECT count(*) FROM counts WHERE n > 0) AS filled,
         (SELECT count(*) FROM counts) AS tables,
         (SELECT to_char(max(closed_until), 'YYYY-MM-DD HH24:MI') FROM counts WHERE n > 0) AS newest
), lines AS (
  SELECT 1 AS part, 0 AS place,
         format('%s %s %s %s rows in %s of %s tables, newest closed window %s, late %s, duplicates %s, dead letters %s',
                messages, closed_rows, floor(extract(epoch FROM clock_timestamp()) * 1000),
                (SELECT sum(n) FROM counts), filled, tables, coalesce(newest, 'none so far'), late, duplicates,
                dead_letters) AS line
  FROM   totals
  UNION ALL
  SELECT 2, 0, format('accepted %s   duplicates %s   dead letters %s   late for a table %s',
                      accepted, duplicates, dead_letters, late)
  FROM   totals
  UNION ALL
  SELECT 3, 0, 'watermarks (event time, UTC): ' ||
               (SELECT string_agg(format('%s %s', d.domain, coalesce(to_char(globalmart.domain_watermark(
                                           d.domain, interval '1 minute', 'min'), 'MM-DD HH24:MI:SS'), '-')), ', '
                                  ORDER BY d.domain)
                FROM (SELECT DISTINCT domain FROM globalmart.streams WHERE has_offsets) AS d)
  UNION ALL
  SELECT 4, 0, ''
  UNION ALL
  SELECT 5, 0, concat_ws('  ', rpad('table', 23), lpad('rows', 6), rpad('newest', 11),
                               rpad('table', 23), lpad('rows', 6), 'newest')
  UNION ALL
  SELECT 6, l.place,
         rtrim(concat_ws('  ', rpad(l.name, 23), lpad(l.n::text, 6), rpad(l.until, 11),
                               rpad(r.name, 23), lpad(r.n::text, 6), r.until))
  FROM   newest AS l
  LEFT   JOIN newest AS r ON r.place = l.place + (l.tables + 1) / 2
  WHERE  l.place <= (l.tables + 1) / 2
  UNION ALL
  SELECT 7, 0, ''
  UNION ALL
  SELECT 8, 0, format('Look around in another terminal: psql -h %s -U postgres globalmart', :'folder')
  UNION ALL
  SELECT 9, 0, '  SELECT * FROM globalmart.sales_by_country ORDER BY window_start DESC LIMIT 5;'
)
SELECT line FROM lines ORDER BY part, place;
