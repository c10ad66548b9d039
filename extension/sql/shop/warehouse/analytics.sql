-- What the night computes of the facts, a run for each analysis_date. A day whose facts changed since is
-- analysed again, and so is every later one that looks back on it.
CREATE TABLE IF NOT EXISTS warehouse.rfm_analysis (
  analysis_date date NOT NULL,
  customer_key  bigint NOT NULL REFERENCES warehouse.dim_customers,
  recency_days  int NOT NULL,
  frequency     bigint NOT NULL,
  monetary      numeric(18,2) NOT NULL,
  r_score       int NOT NULL CHECK (r_score BETWEEN 1 AND 5),
  f_score       int NOT NULL CHECK (f_score BETWEEN 1 AND 5),
  m_score       int NOT NULL CHECK (m_score BETWEEN 1 AND 5),
  segment       text NOT NULL,
  PRIMARY KEY (analysis_date, customer_key)
);
COMMENT ON TABLE warehouse.rfm_analysis IS 'Recency, frequency and monetary value of every customer with an order in the year up to the day (setting rfm_span), scored by quintiles among them';
COMMENT ON COLUMN warehouse.rfm_analysis.analysis_date IS 'UTC day at whose end it is seen';
COMMENT ON COLUMN warehouse.rfm_analysis.customer_key IS 'Customer, in the version in force at the end of the day';
COMMENT ON COLUMN warehouse.rfm_analysis.recency_days IS 'Days since the day of the last order; 0: on analysis_date';
COMMENT ON COLUMN warehouse.rfm_analysis.frequency IS 'Orders';
COMMENT ON COLUMN warehouse.rfm_analysis.monetary IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.rfm_analysis.r_score IS '5 the most recent: 5 less the quintile cut points strictly below recency_days';
COMMENT ON COLUMN warehouse.rfm_analysis.f_score IS '5 the most frequent: 1 plus the quintile cut points strictly below frequency';
COMMENT ON COLUMN warehouse.rfm_analysis.m_score IS '5 the most valuable: 1 plus the quintile cut points strictly below monetary';
COMMENT ON COLUMN warehouse.rfm_analysis.segment IS 'The first that fits: Champions (r, f, m >= 4), Loyal Customers (f >= 4, r >= 3), Big Spenders (m >= 4, r >= 3), Promising (r >= 4, f <= 2), At Risk (r <= 2 and f >= 3 or m >= 3), Lost (r <= 2), Regular';

CREATE OR REPLACE FUNCTION globalmart.rfm_segment(r_score int, f_score int, m_score int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN r_score >= 4 AND f_score >= 4 AND m_score >= 4 THEN 'Champions'
    WHEN f_score >= 4 AND r_score >= 3 THEN 'Loyal Customers'
    WHEN m_score >= 4 AND r_score >= 3 THEN 'Big Spenders'
    WHEN r_score >= 4 AND f_score <= 2 THEN 'Promising'
    WHEN r_score <= 2 AND (f_score >= 3 OR m_score >= 3) THEN 'At Risk'
    WHEN r_score <= 2 THEN 'Lost'
    ELSE 'Regular'
  END
$$;
COMMENT ON FUNCTION globalmart.rfm_segment(int, int, int) IS 'The segment of a customer with these scores';

CREATE TABLE IF NOT EXISTS warehouse.product_performance (
  analysis_date         date NOT NULL,
  product_key           bigint NOT NULL REFERENCES warehouse.dim_products,
  orders                bigint NOT NULL,
  units_sold            bigint NOT NULL,
  total_revenue         numeric(18,2) NOT NULL,
  views                 bigint NOT NULL,
  unique_viewers        bigint NOT NULL,
  conversion_rate_pct   double precision,
  rank_in_category      int,
  rank_overall          int,
  tier                  text NOT NULL,
  PRIMARY KEY (analysis_date, product_key)
);
COMMENT ON TABLE warehouse.product_performance IS 'Every product that was sold or viewed on the day, by versions of the end of the day';
COMMENT ON COLUMN warehouse.product_performance.analysis_date IS 'UTC day';
COMMENT ON COLUMN warehouse.product_performance.product_key IS 'Product, in the version in force at the end of the day';
COMMENT ON COLUMN warehouse.product_performance.orders IS 'Orders with a line of it';
COMMENT ON COLUMN warehouse.product_performance.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.product_performance.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.product_performance.views IS 'Times that it was viewed';
COMMENT ON COLUMN warehouse.product_performance.unique_viewers IS 'Customers who viewed it';
COMMENT ON COLUMN warehouse.product_performance.conversion_rate_pct IS '100 x orders / views; NULL without a view';
COMMENT ON COLUMN warehouse.product_performance.rank_in_category IS 'Rank by revenue among those sold of its category, equal revenue equal rank; NULL: not sold';
COMMENT ON COLUMN warehouse.product_performance.rank_overall IS 'Rank by revenue among all sold, equal revenue equal rank; NULL: not sold';
COMMENT ON COLUMN warehouse.product_performance.tier IS 'A: the best sellers that bring the first 80 % of the revenue, B: up to 95 %, C: the rest, None: not sold. Equal revenue is in one tier, that of the first';

CREATE TABLE IF NOT EXISTS warehouse.demand_forecast (
  forecast_date  date NOT NULL,
  product_key    bigint NOT NULL REFERENCES warehouse.dim_products,
  analysis_date  date NOT NULL,
  units_forecast double precision NOT NULL,
  mean_error     double precision NOT NULL,
  naive_error    double precision NOT NULL,
  error_ratio    double precision,
  PRIMARY KEY (forecast_date, product_key)
);
COMMENT ON TABLE warehouse.demand_forecast IS 'Units that will be sold, for each of seven days ahead, of products sold on 14 or more of the 56 days before: exponential smoothing with additive trend and weekly season (Holt and Winters), from daily units';
COMMENT ON COLUMN warehouse.demand_forecast.forecast_date IS 'UTC day that is forecast; of days that are past, what was said of them last';
COMMENT ON COLUMN warehouse.demand_forecast.product_key IS 'Product, in the version in force at the end of analysis_date';
COMMENT ON COLUMN warehouse.demand_forecast.analysis_date IS 'Last day that the forecast knows';
COMMENT ON COLUMN warehouse.demand_forecast.units_forecast IS 'Units, never less than 0';
COMMENT ON COLUMN warehouse.demand_forecast.mean_error IS 'Mean absolute error on the last seven days known, forecast without them; units a day';
COMMENT ON COLUMN warehouse.demand_forecast.naive_error IS 'The same of the naive forecast, which repeats the week before';
COMMENT ON COLUMN warehouse.demand_forecast.error_ratio IS 'mean_error / naive_error: below 1 it is better than the naive forecast; NULL: the naive one had no error';

-- The day of an analysis is a day of the calendar, and tools find that by its foreign key. Added here and not in
-- CREATE TABLE, for tables that are there already.
DO $calendar$
DECLARE
  named record;
  key_name text;
  first_day date;
  last_day date;
BEGIN
  FOR named IN
    SELECT * FROM (VALUES ('rfm_analysis', 'analysis_date'), ('product_performance', 'analysis_date'),
                          ('demand_forecast', 'forecast_date')) AS v(relation, day_column)
  LOOP
    key_name := format('%s_%s_fkey', named.relation, named.day_column);
    CONTINUE WHEN EXISTS (SELECT FROM pg_constraint AS c
                          WHERE c.conrelid = format('warehouse.%I', named.relation)::regclass AND c.conname = key_name);
    EXECUTE format('SELECT min(%1$I), max(%1$I) FROM warehouse.%2$I', named.day_column, named.relation) INTO first_day, last_day;
    PERFORM globalmart.extend_calendar(first_day), globalmart.extend_calendar(last_day) WHERE first_day IS NOT NULL;
    EXECUTE format('ALTER TABLE warehouse.%I ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES warehouse.dim_date (full_date)',
                   named.relation, key_name, named.day_column);
  END LOOP;
END
$calendar$;

-- All that is sold adds up over days: an order is at one time. So weeks, months and years are sums of days.
CREATE TABLE IF NOT EXISTS warehouse.daily_category_sales (
  date_key      int NOT NULL REFERENCES warehouse.dim_date,
  category      text NOT NULL,
  order_lines   bigint NOT NULL,
  orders        bigint NOT NULL,
  units_sold    bigint NOT NULL,
  total_revenue numeric(18,2) NOT NULL,
  PRIMARY KEY (date_key, category)
);
COMMENT ON TABLE warehouse.daily_category_sales IS 'Sales by day and category, the category as it was at the time of the order';
COMMENT ON COLUMN warehouse.daily_category_sales.date_key IS 'UTC day';
COMMENT ON COLUMN warehouse.daily_category_sales.category IS 'Category';
COMMENT ON COLUMN warehouse.daily_category_sales.order_lines IS 'Order lines';
COMMENT ON COLUMN warehouse.daily_category_sales.orders IS 'Orders with a line of the category: not to be summed over categories';
COMMENT ON COLUMN warehouse.daily_category_sales.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.daily_category_sales.total_revenue IS 'Sum of line_revenue; money';

CREATE OR REPLACE VIEW warehouse.sales_trends AS
  WITH periods AS (
    SELECT g.grain, s.category,
           CASE g.grain WHEN 'day' THEN d.full_date
                        WHEN 'week' THEN d.full_date - (d.day_of_week - 1)
                        WHEN 'month' THEN make_date(d.year, d.month, 1)
                        ELSE make_date(d.year, d.quarter * 3 - 2, 1) END AS period_start,
           CASE g.grain WHEN 'day' THEN d.full_date::text
                        WHEN 'week' THEN d.iso_year_week
                        WHEN 'month' THEN d.year_month
                        ELSE d.year_quarter END AS period,
           sum(s.order_lines)::bigint AS order_lines, sum(s.orders)::bigint AS orders,
           sum(s.units_sold)::bigint AS units_sold, sum(s.total_revenue)::numeric(18,2) AS total_revenue
    FROM warehouse.daily_category_sales AS s
    JOIN warehouse.dim_date AS d USING (date_key)
    CROSS JOIN (VALUES ('day', interval '1 day'), ('week', interval '7 days'), ('month', interval '1 month'), ('quarter', interval '3 months')) AS g(grain, width)
    GROUP BY 1, 2, 3, 4)
  SELECT p.grain, p.period_start, p.period, p.category, p.order_lines, p.orders, p.units_sold, p.total_revenue,
         (100 * (p.total_revenue - b.total_revenue) / nullif(b.total_revenue, 0))::double precision AS growth_pct
  FROM periods AS p
  LEFT JOIN periods AS b
    ON b.grain = p.grain AND b.category = p.category
   AND b.period_start = (p.period_start - CASE p.grain WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days'
                                                       WHEN 'month' THEN interval '1 month' ELSE interval '3 months' END)::date;
COMMENT ON VIEW warehouse.sales_trends IS 'Sales by category and period: rows of one grain add up, rows of different grain never';
COMMENT ON COLUMN warehouse.sales_trends.grain IS 'day, week (ISO 8601), month or quarter: always to be filtered by';
COMMENT ON COLUMN warehouse.sales_trends.period_start IS 'First day of the period';
COMMENT ON COLUMN warehouse.sales_trends.period IS 'Its name: 2026-11-24, 2026-W48, 2026-11, 2026-Q4';
COMMENT ON COLUMN warehouse.sales_trends.category IS 'Category';
COMMENT ON COLUMN warehouse.sales_trends.order_lines IS 'Order lines';
COMMENT ON COLUMN warehouse.sales_trends.orders IS 'Orders with a line of the category: not to be summed over categories';
COMMENT ON COLUMN warehouse.sales_trends.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.sales_trends.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.sales_trends.growth_pct IS 'Change of the revenue against the period before, percent; NULL where there is none';
