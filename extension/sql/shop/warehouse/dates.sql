-- The calendar: whole years without a gap, ten around today, and as far as facts need it.
CREATE TABLE IF NOT EXISTS warehouse.dim_date (
  date_key      int PRIMARY KEY,
  full_date     date NOT NULL UNIQUE,
  year          int NOT NULL,
  quarter       int NOT NULL,
  year_quarter  text NOT NULL,
  month         int NOT NULL,
  month_name    text NOT NULL,
  year_month    text NOT NULL,
  day_of_month  int NOT NULL,
  day_of_year   int NOT NULL,
  iso_year      int NOT NULL,
  iso_week      int NOT NULL,
  iso_year_week text NOT NULL,
  day_of_week   int NOT NULL,
  day_name      text NOT NULL,
  is_weekend    boolean NOT NULL
);
COMMENT ON TABLE warehouse.dim_date IS 'The calendar, a row a UTC day';
COMMENT ON COLUMN warehouse.dim_date.date_key IS 'The day as a number: yyyymmdd';
COMMENT ON COLUMN warehouse.dim_date.full_date IS 'The day';
COMMENT ON COLUMN warehouse.dim_date.year IS 'Calendar year';
COMMENT ON COLUMN warehouse.dim_date.quarter IS 'Quarter of the calendar year, 1 to 4';
COMMENT ON COLUMN warehouse.dim_date.year_quarter IS 'Quarter with its year, such as 2026-Q4';
COMMENT ON COLUMN warehouse.dim_date.month IS 'Month, 1 to 12';
COMMENT ON COLUMN warehouse.dim_date.month_name IS 'Month in English';
COMMENT ON COLUMN warehouse.dim_date.year_month IS 'Month with its year, such as 2026-11';
COMMENT ON COLUMN warehouse.dim_date.day_of_month IS 'Day of the month, 1 to 31';
COMMENT ON COLUMN warehouse.dim_date.day_of_year IS 'Day of the year, 1 to 366';
COMMENT ON COLUMN warehouse.dim_date.iso_year IS 'Year that the ISO 8601 week belongs to; differs from year around New Year';
COMMENT ON COLUMN warehouse.dim_date.iso_week IS 'Week by ISO 8601, 1 to 53: begins on Monday, week 1 has the first Thursday';
COMMENT ON COLUMN warehouse.dim_date.iso_year_week IS 'ISO week with its year, such as 2026-W48';
COMMENT ON COLUMN warehouse.dim_date.day_of_week IS 'Day of the week by ISO 8601: 1 is Monday, 7 Sunday';
COMMENT ON COLUMN warehouse.dim_date.day_name IS 'Day of the week in English';
COMMENT ON COLUMN warehouse.dim_date.is_weekend IS 'Whether it is a Saturday or Sunday';

-- Which day is a holiday where is for the owner to say; nothing is shipped.
CREATE TABLE IF NOT EXISTS warehouse.holidays (
  country      text NOT NULL,
  date_key     int NOT NULL REFERENCES warehouse.dim_date,
  holiday_name text NOT NULL,
  PRIMARY KEY (country, date_key)
);
COMMENT ON TABLE warehouse.holidays IS 'Holidays by country; to be filled by the owner, nothing is shipped';
COMMENT ON COLUMN warehouse.holidays.country IS 'Country, as in dim_geography';
COMMENT ON COLUMN warehouse.holidays.date_key IS 'Day of dim_date';
COMMENT ON COLUMN warehouse.holidays.holiday_name IS 'Name of the holiday';

CREATE OR REPLACE FUNCTION globalmart.date_key(day date) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (extract(year FROM $1) * 10000 + extract(month FROM $1) * 100 + extract(day FROM $1))::int
$$;
COMMENT ON FUNCTION globalmart.date_key(date) IS 'The key of a day in dim_date: yyyymmdd';

-- month_name and day_name do not follow lc_time: to_char without TM is English.
CREATE OR REPLACE FUNCTION globalmart.fill_dates(from_day date, to_day date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  filled bigint;
BEGIN
  INSERT INTO warehouse.dim_date
  SELECT globalmart.date_key(d), d, extract(year FROM d)::int, extract(quarter FROM d)::int, to_char(d, 'YYYY"-Q"Q'),
         extract(month FROM d)::int, to_char(d, 'FMMonth'), to_char(d, 'YYYY-MM'),
         extract(day FROM d)::int, extract(doy FROM d)::int,
         extract(isoyear FROM d)::int, extract(week FROM d)::int, to_char(d, 'IYYY"-W"IW'),
         extract(isodow FROM d)::int, to_char(d, 'FMDay'), extract(isodow FROM d) >= 6
  FROM generate_series(from_day::timestamp, to_day::timestamp, interval '1 day') AS g(ts), CAST(g.ts AS date) AS d
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS filled = ROW_COUNT;
  RETURN filled;
END
$$;
COMMENT ON FUNCTION globalmart.fill_dates(date, date) IS
  'Adds the days from from_day to to_day, both included, to dim_date; gives how many were missing';

-- A date table with gaps is refused by tools that compare periods.
CREATE OR REPLACE FUNCTION globalmart.extend_calendar(day date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  today date := (globalmart.clock() AT TIME ZONE 'UTC')::date;
  first_day date;
  last_day date;
  filled bigint;
BEGIN
  SELECT min(d.full_date), max(d.full_date), count(*) INTO first_day, last_day, filled FROM warehouse.dim_date AS d;
  IF day >= first_day AND last_day >= greatest(day, make_date(extract(year FROM today)::int + 10, 12, 31))
     AND filled = last_day - first_day + 1 THEN
    RETURN 0;
  END IF;
  RETURN globalmart.fill_dates(
    date_trunc('year', least(day, first_day, make_date(extract(year FROM today)::int - 10, 1, 1))::timestamp)::date,
    make_date(extract(year FROM greatest(day, last_day, today + interval '10 years'))::int, 12, 31));
END
$$;
COMMENT ON FUNCTION globalmart.extend_calendar(date) IS
  'Extends dim_date to whole years without a gap, ten around today and as far as a day; gives how many days were missing';

DO $fill$
BEGIN
  PERFORM globalmart.extend_calendar((globalmart.clock() AT TIME ZONE 'UTC')::date);
END
$fill$;
