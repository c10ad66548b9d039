-- The analyses of one day, done anew each time: what was there is taken away first.
CREATE OR REPLACE FUNCTION globalmart.analyse_rfm(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  ends timestamptz := (analyse_rfm.analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  starts timestamptz := ends - globalmart.setting('rfm_span')::interval;
  written bigint;
BEGIN
  PERFORM globalmart.extend_calendar(analyse_rfm.analysis_date);
  DELETE FROM warehouse.rfm_analysis AS a WHERE a.analysis_date = analyse_rfm.analysis_date;
  CREATE TEMP TABLE etl_rfm ON COMMIT DROP AS
  WITH customers AS (
    SELECT c.durable_key, analyse_rfm.analysis_date - max(f.event_time AT TIME ZONE 'UTC')::date AS recency_days,
           count(DISTINCT f.transaction_id) AS frequency, sum(f.line_revenue) AS monetary
    FROM warehouse.fact_sales AS f JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE f.event_time < ends AND (starts IS NULL OR f.event_time >= starts)
    GROUP BY c.durable_key),
  cuts AS (
    SELECT percentile_cont('{0.2,0.4,0.6,0.8}'::float8[]) WITHIN GROUP (ORDER BY c.recency_days::float8) AS recency,
           percentile_cont('{0.2,0.4,0.6,0.8}'::float8[]) WITHIN GROUP (ORDER BY c.frequency::float8) AS frequency,
           percentile_cont('{0.2,0.4,0.6,0.8}'::float8[]) WITHIN GROUP (ORDER BY c.monetary::float8) AS monetary
    FROM customers AS c),
  scored AS (
    SELECT c.*,
           5 - (q.recency[1] < c.recency_days::float8)::int - (q.recency[2] < c.recency_days::float8)::int
             - (q.recency[3] < c.recency_days::float8)::int - (q.recency[4] < c.recency_days::float8)::int AS r_score,
           1 + (q.frequency[1] < c.frequency::float8)::int + (q.frequency[2] < c.frequency::float8)::int
             + (q.frequency[3] < c.frequency::float8)::int + (q.frequency[4] < c.frequency::float8)::int AS f_score,
           1 + (q.monetary[1] < c.monetary::float8)::int + (q.monetary[2] < c.monetary::float8)::int
             + (q.monetary[3] < c.monetary::float8)::int + (q.monetary[4] < c.monetary::float8)::int AS m_score
    FROM customers AS c CROSS JOIN cuts AS q),
  segments AS MATERIALIZED (
    SELECT r AS r_score, f AS f_score, m AS m_score, globalmart.rfm_segment(r, f, m) AS segment
    FROM generate_series(1, 5) AS r, generate_series(1, 5) AS f, generate_series(1, 5) AS m)
  SELECT analyse_rfm.analysis_date AS analysis_date, d.customer_key, s.recency_days, s.frequency, s.monetary, s.r_score, s.f_score, s.m_score,
         g.segment
  FROM scored AS s
  JOIN segments AS g USING (r_score, f_score, m_score)
  JOIN warehouse.dim_customers AS d ON d.durable_key = s.durable_key AND d.effective_from < ends AND d.effective_to >= ends
  ORDER BY d.customer_key;
  written := globalmart.insert_checked('warehouse.rfm_analysis', 'pg_temp.etl_rfm');
  DROP TABLE pg_temp.etl_rfm;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_rfm(date) IS 'Does rfm_analysis of a day anew; gives how many customers';

CREATE OR REPLACE FUNCTION globalmart.analyse_products(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  starts timestamptz := analyse_products.analysis_date::timestamp AT TIME ZONE 'UTC';
  ends timestamptz := (analyse_products.analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  written bigint;
BEGIN
  PERFORM globalmart.extend_calendar(analyse_products.analysis_date);
  DELETE FROM warehouse.product_performance AS a WHERE a.analysis_date = analyse_products.analysis_date;
  CREATE TEMP TABLE etl_product_performance ON COMMIT DROP AS
  WITH sold AS (
    SELECT p.durable_key, count(DISTINCT f.transaction_id) AS orders, sum(f.quantity)::bigint AS units_sold, sum(f.line_revenue) AS total_revenue
    FROM warehouse.fact_sales AS f JOIN warehouse.dim_products AS p USING (product_key)
    WHERE f.event_time >= starts AND f.event_time < ends
    GROUP BY p.durable_key),
  viewed AS (
    SELECT p.durable_key, count(*) AS views, count(DISTINCT c.durable_key) AS unique_viewers
    FROM warehouse.fact_product_views AS f
    JOIN warehouse.dim_products AS p USING (product_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE f.event_time >= starts AND f.event_time < ends AND f.event_type = 'view'
    GROUP BY p.durable_key),
  both_sides AS (
    SELECT d.product_key, d.category, coalesce(s.orders, 0) AS orders, coalesce(s.units_sold, 0) AS units_sold,
           coalesce(s.total_revenue, 0) AS total_revenue, coalesce(v.views, 0) AS views, coalesce(v.unique_viewers, 0) AS unique_viewers,
           s.durable_key IS NOT NULL AS was_sold
    FROM sold AS s FULL JOIN viewed AS v USING (durable_key)
    JOIN warehouse.dim_products AS d ON d.durable_key = coalesce(s.durable_key, v.durable_key)
      AND d.effective_from < ends AND d.effective_to >= ends),
  ranked AS (
    -- What those ahead of it brought: the first one is always in tier A.
    SELECT b.*, sum(b.total_revenue) OVER () AS everything,
           sum(b.total_revenue) OVER (ORDER BY b.total_revenue DESC) - sum(b.total_revenue) OVER (PARTITION BY b.total_revenue) AS ahead,
           rank() OVER (PARTITION BY b.was_sold, b.category ORDER BY b.total_revenue DESC) AS rank_in_category,
           rank() OVER (PARTITION BY b.was_sold ORDER BY b.total_revenue DESC) AS rank_overall
    FROM both_sides AS b)
  SELECT analyse_products.analysis_date AS analysis_date, r.product_key, r.orders, r.units_sold, r.total_revenue, r.views, r.unique_viewers,
         100.0 * r.orders / nullif(r.views, 0) AS conversion_rate_pct,
         CASE WHEN r.was_sold THEN r.rank_in_category END AS rank_in_category, CASE WHEN r.was_sold THEN r.rank_overall END AS rank_overall,
         CASE WHEN NOT r.was_sold THEN 'None' WHEN r.ahead < 0.80 * r.everything OR r.ahead = 0 THEN 'A'
              WHEN r.ahead < 0.95 * r.everything THEN 'B' ELSE 'C' END AS tier
  FROM ranked AS r
  ORDER BY r.product_key;
  written := globalmart.insert_checked('warehouse.product_performance', 'pg_temp.etl_product_performance');
  DROP TABLE pg_temp.etl_product_performance;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_products(date) IS 'Does product_performance of a day anew; gives how many products';

CREATE OR REPLACE FUNCTION globalmart.analyse_sales(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  starts timestamptz := analysis_date::timestamp AT TIME ZONE 'UTC';
  ends timestamptz := (analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  written bigint;
BEGIN
  DELETE FROM warehouse.daily_category_sales AS s WHERE s.date_key = globalmart.date_key(analysis_date);
  INSERT INTO warehouse.daily_category_sales (date_key, category, order_lines, orders, units_sold, total_revenue)
  SELECT f.date_key, p.category, count(*), count(DISTINCT f.transaction_id), sum(f.quantity), sum(f.line_revenue)
  FROM warehouse.fact_sales AS f JOIN warehouse.dim_products AS p USING (product_key)
  WHERE f.event_time >= starts AND f.event_time < ends
  GROUP BY f.date_key, p.category
  ORDER BY p.category;
  GET DIAGNOSTICS written = ROW_COUNT;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_sales(date) IS 'Does daily_category_sales of a day anew; gives how many categories';

CREATE OR REPLACE FUNCTION globalmart.analyse_forecast(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  ends timestamptz := (analyse_forecast.analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  written bigint;
BEGIN
  PERFORM globalmart.extend_calendar(analyse_forecast.analysis_date + 7);
  DELETE FROM warehouse.demand_forecast AS f WHERE f.forecast_date > analyse_forecast.analysis_date;
  CREATE TEMP TABLE etl_forecast ON COMMIT DROP AS
  WITH series AS (
    -- A product has one row a day. From the first sale on, a day without one is 0.
    SELECT p.durable_key,
           globalmart.dense_series(array_agg(a.analysis_date - analyse_forecast.analysis_date), array_agg(a.units_sold::float8), 0) AS history
    FROM warehouse.product_performance AS a JOIN warehouse.dim_products AS p USING (product_key)
    WHERE a.analysis_date > analyse_forecast.analysis_date - 56 AND a.analysis_date <= analyse_forecast.analysis_date AND a.units_sold > 0
    GROUP BY p.durable_key
    HAVING count(*) >= 14)
  SELECT analyse_forecast.analysis_date + u.step::int AS forecast_date, p.product_key, analyse_forecast.analysis_date AS analysis_date,
         greatest(u.units, 0) AS units_forecast, f.mean_error, f.naive_error, f.mean_error / nullif(f.naive_error, 0) AS error_ratio
  FROM series AS s
  CROSS JOIN LATERAL globalmart.forecast_holt_winters(s.history, 7, 7) AS f
  CROSS JOIN LATERAL unnest(f.forecast) WITH ORDINALITY AS u(units, step)
  JOIN warehouse.dim_products AS p ON p.durable_key = s.durable_key AND p.effective_from < ends AND p.effective_to >= ends
  ORDER BY 1, 2;
  written := globalmart.insert_checked('warehouse.demand_forecast', 'pg_temp.etl_forecast');
  DROP TABLE pg_temp.etl_forecast;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_forecast(date) IS 'Does demand_forecast anew for the week after a day; gives how many rows';
