-- What changes slowly: type 2, a row a version. effective_from is inclusive, effective_to exclusive. Before
-- the catalogue tells of somebody, and where it never does, a version is inferred from the events themselves:
-- it is in force from 1900 on, so that every event finds one. An entity is a durable_key; the exclusion
-- constraints hold that its versions never overlap.
CREATE SEQUENCE IF NOT EXISTS warehouse.durable_keys;
ALTER SEQUENCE warehouse.durable_keys OWNER TO globalmart_owner;
COMMENT ON SEQUENCE warehouse.durable_keys IS 'Numbers of customers, products and geographies, the same in all their versions';

CREATE TABLE IF NOT EXISTS warehouse.dim_geography (
  geography_key  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  durable_key    bigint NOT NULL,
  country        text NOT NULL,
  region         text NOT NULL DEFAULT 'Unknown',
  effective_from timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00',
  effective_to   timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
  is_current     boolean GENERATED ALWAYS AS (effective_to = '9999-12-31 00:00:00+00') STORED,
  UNIQUE (country, effective_from),
  CHECK (effective_from < effective_to),
  EXCLUDE USING gist (int8range(durable_key, durable_key, '[]') WITH &&, tstzrange(effective_from, effective_to) WITH &&)
);
CREATE UNIQUE INDEX IF NOT EXISTS dim_geography_current ON warehouse.dim_geography (country) WHERE is_current;
COMMENT ON TABLE warehouse.dim_geography IS 'Countries, a row a version (type 2)';
COMMENT ON COLUMN warehouse.dim_geography.geography_key IS 'Key of the version';
COMMENT ON COLUMN warehouse.dim_geography.durable_key IS 'Number of the country, the same in all versions';
COMMENT ON COLUMN warehouse.dim_geography.country IS 'Country, as in the events';
COMMENT ON COLUMN warehouse.dim_geography.region IS 'Part of the world or of the business that it belongs to; set_region() changes it';

CREATE TABLE IF NOT EXISTS warehouse.dim_customers (
  customer_key   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  durable_key    bigint NOT NULL,
  user_id        text NOT NULL,
  country        text NOT NULL,
  age_range      text,
  preferences    text[],
  registered_at  timestamptz,
  is_inferred    boolean NOT NULL DEFAULT false,
  is_deleted     boolean NOT NULL DEFAULT false,
  effective_from timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00',
  effective_to   timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
  is_current     boolean GENERATED ALWAYS AS (effective_to = '9999-12-31 00:00:00+00') STORED,
  UNIQUE (user_id, effective_from),
  CHECK (effective_from < effective_to),
  EXCLUDE USING gist (int8range(durable_key, durable_key, '[]') WITH &&, tstzrange(effective_from, effective_to) WITH &&)
);
CREATE UNIQUE INDEX IF NOT EXISTS dim_customers_current ON warehouse.dim_customers (user_id) WHERE is_current;
COMMENT ON TABLE warehouse.dim_customers IS 'Customers, a row a version (type 2)';
COMMENT ON COLUMN warehouse.dim_customers.customer_key IS 'Key of the version';
COMMENT ON COLUMN warehouse.dim_customers.durable_key IS 'Number of the customer, the same in all versions';
COMMENT ON COLUMN warehouse.dim_customers.user_id IS 'The customer, as in the events';
COMMENT ON COLUMN warehouse.dim_customers.country IS 'Country of the customer';
COMMENT ON COLUMN warehouse.dim_customers.age_range IS 'Age, such as 25-34';
COMMENT ON COLUMN warehouse.dim_customers.preferences IS 'Preferred groups of categories';
COMMENT ON COLUMN warehouse.dim_customers.registered_at IS 'When the customer registered';

CREATE TABLE IF NOT EXISTS warehouse.dim_products (
  product_key    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  durable_key    bigint NOT NULL,
  product_id     text NOT NULL,
  product_name   text NOT NULL DEFAULT 'Unknown',
  category       text NOT NULL DEFAULT 'Unknown',
  price          numeric(18,2),
  rating         numeric(3,2),
  is_inferred    boolean NOT NULL DEFAULT false,
  is_deleted     boolean NOT NULL DEFAULT false,
  effective_from timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00',
  effective_to   timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
  is_current     boolean GENERATED ALWAYS AS (effective_to = '9999-12-31 00:00:00+00') STORED,
  UNIQUE (product_id, effective_from),
  CHECK (effective_from < effective_to),
  EXCLUDE USING gist (int8range(durable_key, durable_key, '[]') WITH &&, tstzrange(effective_from, effective_to) WITH &&)
);
CREATE UNIQUE INDEX IF NOT EXISTS dim_products_current ON warehouse.dim_products (product_id) WHERE is_current;
COMMENT ON TABLE warehouse.dim_products IS 'Products, a row a version (type 2); product_key 0 stands in facts that are about no one product';
COMMENT ON COLUMN warehouse.dim_products.product_key IS 'Key of the version; 0: no product';
COMMENT ON COLUMN warehouse.dim_products.durable_key IS 'Number of the product, the same in all versions';
COMMENT ON COLUMN warehouse.dim_products.product_id IS 'The product, as in the events';
COMMENT ON COLUMN warehouse.dim_products.product_name IS 'Name; Unknown until somebody tells it';
COMMENT ON COLUMN warehouse.dim_products.category IS 'Category; Unknown until somebody tells it';
COMMENT ON COLUMN warehouse.dim_products.price IS 'Price of one unit; money';
COMMENT ON COLUMN warehouse.dim_products.rating IS 'Average rating, 0 to 5';

DO $setup$
DECLARE
  dimension text;
BEGIN
  FOREACH dimension IN ARRAY ARRAY['dim_geography', 'dim_customers', 'dim_products'] LOOP
    IF dimension <> 'dim_geography' THEN
      EXECUTE format('COMMENT ON COLUMN warehouse.%I.is_inferred IS %L', dimension,
                     'Whether it was inferred from events, because the catalogue did not tell');
      EXECUTE format('COMMENT ON COLUMN warehouse.%I.is_deleted IS %L', dimension,
                     'Whether the catalogue deleted it; the other columns are as they were last');
    END IF;
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.effective_from IS %L', dimension, 'From when on this version is in force, inclusive');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.effective_to IS %L', dimension, 'Until when, exclusive; 9999-12-31: still in force');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.is_current IS %L', dimension, 'Whether it is the last version, of which there is exactly one: the one in force, or one that was told ahead of its time');
  END LOOP;
END
$setup$;

INSERT INTO warehouse.dim_products (product_key, durable_key, product_id, product_name, category)
OVERRIDING SYSTEM VALUE VALUES (0, 0, '', 'None', 'None') ON CONFLICT DO NOTHING;
INSERT INTO warehouse.dim_geography (durable_key, country, region)
SELECT nextval('warehouse.durable_keys'), c.country, r.region
FROM globalmart.countries AS c
JOIN (VALUES ('USA', 'North America'), ('UK', 'Europe'), ('Germany', 'Europe'), ('France', 'Europe'), ('Japan', 'Asia'))
  AS r(country, region) USING (country)
WHERE NOT EXISTS (SELECT FROM warehouse.dim_geography AS g WHERE g.country = c.country)
ORDER BY c.country;
