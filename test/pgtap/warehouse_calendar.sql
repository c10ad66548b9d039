-- The calendar: ISO years and weeks at their edges, leap days, quarters, and ten years around.
SET globalmart.now = '2026-11-24 02:00:00+00';
SELECT plan(20);
SELECT is((SELECT min(full_date) FROM warehouse.dim_date), make_date(extract(year FROM globalmart.clock())::int - 10, 1, 1), 'ten years back');
SELECT is((SELECT max(full_date) FROM warehouse.dim_date), make_date(extract(year FROM globalmart.clock())::int + 10, 12, 31), 'ten years ahead');
SELECT is((SELECT count(*) FROM warehouse.dim_date), (SELECT max(full_date) - min(full_date) + 1 FROM warehouse.dim_date)::bigint, 'without a gap');
SELECT globalmart.fill_dates('2004-12-25', '2010-01-05');
SELECT is(globalmart.fill_dates('2004-12-25', '2010-01-05'), 0::bigint, 'days that are there are not made again');
SELECT results_eq(format('SELECT iso_year_week, is_weekend FROM warehouse.dim_date WHERE full_date = %L', day),
                  format('VALUES (%L, %L::boolean)', week, weekend), format('%s is in %s', day, week))
FROM (VALUES ('2005-01-01', '2004-W53', true), ('2005-01-02', '2004-W53', true), ('2005-01-03', '2005-W01', false),
             ('2007-12-31', '2008-W01', false), ('2008-12-28', '2008-W52', true), ('2008-12-29', '2009-W01', false),
             ('2009-12-31', '2009-W53', false), ('2010-01-03', '2009-W53', true), ('2010-01-04', '2010-W01', false)) AS d(day, week, weekend);
SELECT results_eq($$SELECT date_key, year, quarter, year_quarter, month, month_name, year_month, day_of_month, day_of_year, day_of_week, day_name
                    FROM warehouse.dim_date WHERE full_date = '2008-02-29'$$,
                  $$VALUES (20080229, 2008, 1, '2008-Q1', 2, 'February', '2008-02', 29, 60, 5, 'Friday')$$, 'a leap day');
SELECT is((SELECT max(day_of_year) FROM warehouse.dim_date WHERE year = 2008), 366, 'a leap year has 366 days');
SELECT is((SELECT count(*) FROM warehouse.dim_date WHERE year_quarter = '2005-Q4'), 92::bigint, 'a quarter has its days');
SET lc_time = 'C';
SELECT is(globalmart.date_key('2026-01-09'), 20260109, 'date_key');
SELECT lives_ok($$INSERT INTO warehouse.holidays VALUES ('UK', 20261225, 'Christmas Day')$$, 'a holiday can be filled in');
SELECT throws_ok($$INSERT INTO warehouse.holidays VALUES ('UK', 20261325, 'No day')$$, '23503', NULL, 'of a day that there is');
SET ROLE globalmart_reader;
SELECT is((SELECT count(*) FROM warehouse.dim_date WHERE full_date = '2026-11-24'), 1::bigint, 'readers may read it');
RESET ROLE;
SELECT * FROM finish();
