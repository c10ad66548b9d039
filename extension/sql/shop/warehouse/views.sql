-- What managers ask of the warehouse, each one view. Customers and products are counted as what they are
-- (durable_key), whatever version a fact points at.
CREATE OR REPLACE VIEW warehouse.customer_segments AS
  SELECT a.analysis_date, a.segment, count(*) AS customers,
         (100.0 * count(*) / sum(count(*)) OVER (PARTITION BY a.analysis_date))::double precision AS customer_share_pct,
         sum(a.frequency)::bigint AS orders, sum(a.monetary)::numeric(18,2) AS total_revenue,
         (100 * sum(a.monetary) / nullif(sum(sum(a.monetary)) OVER (PARTITION BY a.analysis_date), 0))::double precision AS revenue_share_pct,
         avg(a.recency_days)::double precision AS avg_recency_days, avg(a.frequency)::double precision AS avg_frequency,
         (sum(a.monetary) / count(*))::numeric(18,2) AS avg_monetary
  FROM warehouse.rfm_analysis AS a
  GROUP BY a.analysis_date, a.segment;
COMMENT ON VIEW warehouse.customer_segments IS 'The segments of rfm_analysis, a row a day and segment';
COMMENT ON COLUMN warehouse.customer_segments.analysis_date IS 'UTC day at whose end it is seen';
COMMENT ON COLUMN warehouse.customer_segments.segment IS 'Segment, as in rfm_analysis';
COMMENT ON COLUMN warehouse.customer_segments.customers IS 'Customers in it';
COMMENT ON COLUMN warehouse.customer_segments.customer_share_pct IS 'Their share of the customers of the day, percent';
COMMENT ON COLUMN warehouse.customer_segments.orders IS 'Their orders in the span of the analysis';
COMMENT ON COLUMN warehouse.customer_segments.total_revenue IS 'Their revenue in the span of the analysis; money. A level: not to be summed over days';
COMMENT ON COLUMN warehouse.customer_segments.revenue_share_pct IS 'Its share of the revenue of all, percent';
COMMENT ON COLUMN warehouse.customer_segments.avg_recency_days IS 'Average days since the last order';
COMMENT ON COLUMN warehouse.customer_segments.avg_frequency IS 'Average orders of a customer';
COMMENT ON COLUMN warehouse.customer_segments.avg_monetary IS 'Average revenue of a customer; money';

CREATE OR REPLACE VIEW warehouse.customer_lifetime_value AS
  SELECT c.customer_key, c.user_id, c.country, s.first_order_at, s.last_order_at, s.orders, s.total_revenue, s.total_discount,
         (s.total_revenue / s.orders)::numeric(18,2) AS avg_order_value
  FROM (SELECT d.durable_key, min(f.event_time) AS first_order_at, max(f.event_time) AS last_order_at,
               count(DISTINCT f.transaction_id) AS orders, sum(f.line_revenue)::numeric(18,2) AS total_revenue,
               sum(f.discount_share)::numeric(18,2) AS total_discount
        FROM warehouse.fact_sales AS f JOIN warehouse.dim_customers AS d USING (customer_key)
        GROUP BY d.durable_key) AS s
  JOIN warehouse.dim_customers AS c ON c.durable_key = s.durable_key AND c.is_current;
COMMENT ON VIEW warehouse.customer_lifetime_value IS 'What every customer bought since ever';
COMMENT ON COLUMN warehouse.customer_lifetime_value.customer_key IS 'Customer, in the current version';
COMMENT ON COLUMN warehouse.customer_lifetime_value.user_id IS 'The customer, as in the events';
COMMENT ON COLUMN warehouse.customer_lifetime_value.country IS 'Country of the customer now';
COMMENT ON COLUMN warehouse.customer_lifetime_value.first_order_at IS 'First order';
COMMENT ON COLUMN warehouse.customer_lifetime_value.last_order_at IS 'Last order';
COMMENT ON COLUMN warehouse.customer_lifetime_value.orders IS 'Orders';
COMMENT ON COLUMN warehouse.customer_lifetime_value.total_revenue IS 'Sum of line_revenue, before discounts; money';
COMMENT ON COLUMN warehouse.customer_lifetime_value.total_discount IS 'Discounts that were told; money';
COMMENT ON COLUMN warehouse.customer_lifetime_value.avg_order_value IS 'total_revenue / orders; money';

CREATE OR REPLACE VIEW warehouse.top_products_by_revenue AS
  SELECT rank() OVER (ORDER BY s.total_revenue DESC) AS revenue_rank, p.product_key, p.product_id, p.product_name, p.category,
         s.orders, s.units_sold, s.total_revenue, s.views, (100.0 * s.orders / nullif(s.views, 0))::double precision AS conversion_rate_pct
  FROM (SELECT d.durable_key, sum(a.orders)::bigint AS orders, sum(a.units_sold)::bigint AS units_sold,
               sum(a.total_revenue)::numeric(18,2) AS total_revenue, sum(a.views)::bigint AS views
        FROM warehouse.product_performance AS a JOIN warehouse.dim_products AS d USING (product_key)
        GROUP BY d.durable_key) AS s
  JOIN warehouse.dim_products AS p ON p.durable_key = s.durable_key AND p.is_current
  WHERE s.units_sold > 0;
COMMENT ON VIEW warehouse.top_products_by_revenue IS 'Products by revenue over all days that were analysed';
COMMENT ON COLUMN warehouse.top_products_by_revenue.revenue_rank IS 'Rank by revenue, equal revenue equal rank';
COMMENT ON COLUMN warehouse.top_products_by_revenue.product_key IS 'Product, in the current version';
COMMENT ON COLUMN warehouse.top_products_by_revenue.product_id IS 'The product, as in the events';
COMMENT ON COLUMN warehouse.top_products_by_revenue.product_name IS 'Name now';
COMMENT ON COLUMN warehouse.top_products_by_revenue.category IS 'Category now';
COMMENT ON COLUMN warehouse.top_products_by_revenue.orders IS 'Orders with a line of it';
COMMENT ON COLUMN warehouse.top_products_by_revenue.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.top_products_by_revenue.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.top_products_by_revenue.views IS 'Times that it was viewed';
COMMENT ON COLUMN warehouse.top_products_by_revenue.conversion_rate_pct IS '100 x orders / views; NULL without a view';

CREATE OR REPLACE VIEW warehouse.cohort_retention AS
  WITH active AS (
    SELECT DISTINCT d.durable_key, date_trunc('month', f.event_time AT TIME ZONE 'UTC')::date AS month
    FROM warehouse.fact_sales AS f JOIN warehouse.dim_customers AS d USING (customer_key)),
  cohorts AS (SELECT a.durable_key, min(a.month) AS cohort_month FROM active AS a GROUP BY a.durable_key),
  sizes AS (SELECT c.cohort_month, count(*) AS cohort_size FROM cohorts AS c GROUP BY c.cohort_month)
  SELECT c.cohort_month, a.month AS active_month,
         ((extract(year FROM a.month) - extract(year FROM c.cohort_month)) * 12 + extract(month FROM a.month) - extract(month FROM c.cohort_month))::int AS months_since,
         s.cohort_size, count(*) AS active_customers, (100.0 * count(*) / s.cohort_size)::double precision AS retention_pct
  FROM cohorts AS c JOIN active AS a USING (durable_key) JOIN sizes AS s USING (cohort_month)
  GROUP BY c.cohort_month, a.month, s.cohort_size;
COMMENT ON VIEW warehouse.cohort_retention IS 'Of those who first ordered in a month, how many ordered in each later one';
COMMENT ON COLUMN warehouse.cohort_retention.cohort_month IS 'Month of the first order';
COMMENT ON COLUMN warehouse.cohort_retention.active_month IS 'Month that is looked at';
COMMENT ON COLUMN warehouse.cohort_retention.months_since IS 'Months between them; 0: the same';
COMMENT ON COLUMN warehouse.cohort_retention.cohort_size IS 'Customers of the cohort';
COMMENT ON COLUMN warehouse.cohort_retention.active_customers IS 'Those of them who ordered in the month';
COMMENT ON COLUMN warehouse.cohort_retention.retention_pct IS '100 x active_customers / cohort_size';

CREATE OR REPLACE VIEW warehouse.payment_mix AS
  SELECT d.year_month, f.payment_method, count(DISTINCT f.transaction_id) AS orders, sum(f.line_revenue)::numeric(18,2) AS total_revenue,
         (100.0 * count(DISTINCT f.transaction_id) / sum(count(DISTINCT f.transaction_id)) OVER (PARTITION BY d.year_month))::double precision AS order_share_pct,
         (100 * sum(f.line_revenue) / nullif(sum(sum(f.line_revenue)) OVER (PARTITION BY d.year_month), 0))::double precision AS revenue_share_pct
  FROM warehouse.fact_sales AS f JOIN warehouse.dim_date AS d USING (date_key)
  GROUP BY d.year_month, f.payment_method;
COMMENT ON VIEW warehouse.payment_mix IS 'How orders were paid, by month';
COMMENT ON COLUMN warehouse.payment_mix.year_month IS 'Month, such as 2026-11';
COMMENT ON COLUMN warehouse.payment_mix.payment_method IS 'Payment method';
COMMENT ON COLUMN warehouse.payment_mix.orders IS 'Orders';
COMMENT ON COLUMN warehouse.payment_mix.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.payment_mix.order_share_pct IS 'Share of the orders of the month, percent';
COMMENT ON COLUMN warehouse.payment_mix.revenue_share_pct IS 'Share of the revenue of the month, percent';

CREATE OR REPLACE VIEW warehouse.conversion_funnel AS
  WITH did AS (
    SELECT v.date_key, g.country, c.durable_key, true AS viewed, false AS added, false AS checked_out, false AS ordered
    FROM warehouse.fact_product_views AS v JOIN warehouse.dim_geography AS g USING (geography_key) JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE v.event_type = 'view'
    UNION ALL
    SELECT e.date_key, g.country, c.durable_key, false, e.event_type = 'add_to_cart', e.event_type = 'checkout', false
    FROM warehouse.fact_cart_events AS e JOIN warehouse.dim_geography AS g USING (geography_key) JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE e.event_type IN ('add_to_cart', 'checkout')
    UNION ALL
    SELECT s.date_key, g.country, c.durable_key, false, false, false, true
    FROM warehouse.fact_sales AS s JOIN warehouse.dim_geography AS g USING (geography_key) JOIN warehouse.dim_customers AS c USING (customer_key)),
  customers AS (
    SELECT d.date_key, d.country, d.durable_key, bool_or(d.viewed) AS viewed, bool_or(d.added) AS added,
           bool_or(d.checked_out) AS checked_out, bool_or(d.ordered) AS ordered
    FROM did AS d GROUP BY d.date_key, d.country, d.durable_key)
  SELECT c.date_key, c.country, count(*) FILTER (WHERE c.viewed) AS viewers, count(*) FILTER (WHERE c.added) AS cart_customers,
         count(*) FILTER (WHERE c.checked_out) AS checkout_customers, count(*) FILTER (WHERE c.ordered) AS buyers,
         (100.0 * count(*) FILTER (WHERE c.viewed AND c.ordered) / nullif(count(*) FILTER (WHERE c.viewed), 0))::double precision AS conversion_rate_pct
  FROM customers AS c
  GROUP BY c.date_key, c.country;
COMMENT ON VIEW warehouse.conversion_funnel IS 'Customers who viewed, put into a cart, checked out and ordered, by UTC day and country';
COMMENT ON COLUMN warehouse.conversion_funnel.date_key IS 'UTC day of dim_date';
COMMENT ON COLUMN warehouse.conversion_funnel.country IS 'Country of the events';
COMMENT ON COLUMN warehouse.conversion_funnel.viewers IS 'Customers who viewed a product';
COMMENT ON COLUMN warehouse.conversion_funnel.cart_customers IS 'Customers who put something into a cart';
COMMENT ON COLUMN warehouse.conversion_funnel.checkout_customers IS 'Customers who checked out';
COMMENT ON COLUMN warehouse.conversion_funnel.buyers IS 'Customers who ordered';
COMMENT ON COLUMN warehouse.conversion_funnel.conversion_rate_pct IS '100 x viewers who ordered / viewers; NULL without a viewer';

CREATE OR REPLACE VIEW warehouse.anomaly_history AS
  SELECT globalmart.date_key((a.event_time AT TIME ZONE 'UTC')::date) AS date_key, a.country, a.anomaly_type, a.severity,
         count(*) AS anomalies, count(DISTINCT a.user_id) AS customers
  FROM (SELECT h.event_time, h.country, h.anomaly_type, h.severity, h.user_id FROM globalmart.high_value_anomalies AS h
        UNION ALL
        SELECT q.event_time, q.country, q.anomaly_type, q.severity, q.user_id FROM globalmart.high_quantity_anomalies AS q
        UNION ALL
        SELECT s.last_transaction, s.country, s.anomaly_type, s.severity, s.user_id FROM globalmart.suspicious_patterns AS s) AS a
  GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW warehouse.anomaly_history IS 'Anomalies by UTC day, country, type and severity, of the real-time tables: late orders included, but in suspicious_patterns';
COMMENT ON COLUMN warehouse.anomaly_history.date_key IS 'UTC day of dim_date';
COMMENT ON COLUMN warehouse.anomaly_history.country IS 'Country of the order';
COMMENT ON COLUMN warehouse.anomaly_history.anomaly_type IS 'high_value, high_quantity, high_frequency, high_spending or frequency_and_spending';
COMMENT ON COLUMN warehouse.anomaly_history.severity IS 'medium, high or critical';
COMMENT ON COLUMN warehouse.anomaly_history.anomalies IS 'How many';
COMMENT ON COLUMN warehouse.anomaly_history.customers IS 'Customers who caused them';

-- A checkout names no product: it counts for the categories that its session put into the cart that day.
CREATE OR REPLACE VIEW warehouse.abandonment_funnel AS
  WITH adds AS NOT MATERIALIZED (
    SELECT DISTINCT e.date_key, g.country, p.category, c.durable_key, e.session_id
    FROM warehouse.fact_cart_events AS e
    JOIN warehouse.dim_geography AS g USING (geography_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    JOIN warehouse.dim_products AS p USING (product_key)
    WHERE e.event_type = 'add_to_cart'),
  checkouts AS (
    SELECT DISTINCT e.date_key, c.durable_key, e.session_id
    FROM warehouse.fact_cart_events AS e JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE e.event_type = 'checkout'),
  did AS (
    SELECT v.date_key, g.country, p.category, c.durable_key, 1 AS step
    FROM warehouse.fact_product_views AS v
    JOIN warehouse.dim_geography AS g USING (geography_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    JOIN warehouse.dim_products AS p USING (product_key)
    WHERE v.event_type = 'view'
    UNION SELECT a.date_key, a.country, a.category, a.durable_key, 2 FROM adds AS a
    UNION SELECT a.date_key, a.country, a.category, a.durable_key, 3 FROM adds AS a JOIN checkouts AS k USING (date_key, durable_key, session_id)
    UNION
    SELECT s.date_key, g.country, p.category, c.durable_key, 4
    FROM warehouse.fact_sales AS s
    JOIN warehouse.dim_geography AS g USING (geography_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    JOIN warehouse.dim_products AS p USING (product_key))
  SELECT d.date_key, d.category, d.country,
         count(*) FILTER (WHERE d.step = 1) AS viewers, count(*) FILTER (WHERE d.step = 2) AS cart_customers,
         count(*) FILTER (WHERE d.step = 3) AS checkout_customers, count(*) FILTER (WHERE d.step = 4) AS buyers,
         (100.0 * (count(*) FILTER (WHERE d.step = 2) - count(*) FILTER (WHERE d.step = 3))
                / nullif(count(*) FILTER (WHERE d.step = 2), 0))::double precision AS abandonment_rate_pct
  FROM did AS d
  GROUP BY d.date_key, d.category, d.country;
COMMENT ON VIEW warehouse.abandonment_funnel IS 'View, cart, checkout, order: customers by UTC day, category and country';
COMMENT ON COLUMN warehouse.abandonment_funnel.date_key IS 'UTC day of dim_date';
COMMENT ON COLUMN warehouse.abandonment_funnel.category IS 'Category of the product, as it was then';
COMMENT ON COLUMN warehouse.abandonment_funnel.country IS 'Country of the events';
COMMENT ON COLUMN warehouse.abandonment_funnel.viewers IS 'Customers who viewed a product of the category';
COMMENT ON COLUMN warehouse.abandonment_funnel.cart_customers IS 'Customers who put one into a cart';
COMMENT ON COLUMN warehouse.abandonment_funnel.checkout_customers IS 'Those of them who checked out in the same session on the same day';
COMMENT ON COLUMN warehouse.abandonment_funnel.buyers IS 'Customers with an order line of the category';
COMMENT ON COLUMN warehouse.abandonment_funnel.abandonment_rate_pct IS '100 x (cart_customers - checkout_customers) / cart_customers; NULL without any';
