-- Lists of allowed values. They may be changed at any time; bridges hear of it.
CREATE TABLE IF NOT EXISTS globalmart.countries (
  country text PRIMARY KEY CHECK (country <> '')
);
COMMENT ON TABLE globalmart.countries IS 'Countries that events may name; others are dead letters (out_of_range)';
COMMENT ON COLUMN globalmart.countries.country IS 'Name as in the events, byte for byte';

CREATE TABLE IF NOT EXISTS globalmart.payment_methods (
  payment_method text PRIMARY KEY CHECK (payment_method <> '')
);
COMMENT ON TABLE globalmart.payment_methods IS 'Payment methods that orders may name; others are dead letters (out_of_range)';
COMMENT ON COLUMN globalmart.payment_methods.payment_method IS 'Name as in the events, byte for byte';

CREATE TABLE IF NOT EXISTS globalmart.categories (
  category text PRIMARY KEY CHECK (category <> '')
);
COMMENT ON TABLE globalmart.categories IS 'The shop''s product categories; events may name others, which are accepted as they are';
COMMENT ON COLUMN globalmart.categories.category IS 'Name as in the events, byte for byte';

-- Filled when the tables are new: what an owner took off a list stays off.
DO $lists$
BEGIN
  IF NOT EXISTS (SELECT FROM globalmart.lists AS l WHERE l.list = 'countries') THEN
    INSERT INTO globalmart.countries (country)
    VALUES ('USA'), ('UK'), ('Germany'), ('France'), ('Japan') ON CONFLICT DO NOTHING;
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.lists AS l WHERE l.list = 'payment_methods') THEN
    INSERT INTO globalmart.payment_methods (payment_method)
    VALUES ('Credit Card'), ('Debit Card'), ('PayPal'), ('Apple Pay'), ('Google Pay') ON CONFLICT DO NOTHING;
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.lists AS l WHERE l.list = 'categories') THEN
    INSERT INTO globalmart.categories (category) VALUES
    ('Smartphones'), ('Laptops'), ('Tablets'), ('Desktops'), ('Monitors'), ('Keyboards'), ('Mice'),
    ('Headphones'), ('Loudspeakers'), ('Cameras'), ('Smart Watches'), ('Fitness Bands'), ('Consoles'),
    ('VR Glasses'), ('Drones'), ('Printers'), ('Scanners'), ('Hard Disks'), ('Memory Sticks'), ('Webcams'),
    ('T-Shirts'), ('Jeans'), ('Jackets'), ('Shoes'), ('Dresses'), ('Blouses'), ('Skirts'), ('Suits'),
    ('Coats'), ('Children''s Wear'), ('Baby Wear'), ('Sportswear'), ('Swimwear'), ('Underwear'), ('Socks'),
    ('Belts'), ('Hats'), ('Scarves'), ('Gloves'), ('Handbags'), ('Sofas'), ('Bed Linen'), ('Curtains'),
    ('Rugs'), ('Lamps'), ('Kitchen Machines'), ('Cookware'), ('Plates'), ('Cutlery'), ('Glasses'),
    ('Shelving'), ('Cleaning'), ('Ornaments'), ('Pictures'), ('Mirrors'), ('Bathroom'), ('Towels'),
    ('Pillows'), ('Blankets'), ('Mattresses'), ('Skin Care'), ('Hair Care'), ('Make-Up'), ('Perfume'),
    ('Nail Care'), ('Shaving'), ('Bath'), ('Oral Care'), ('Hygiene'), ('Beauty Tools'), ('Running Shoes'),
    ('Bicycles'), ('Yoga'), ('Dumbbells'), ('Treadmills'), ('Balls'), ('Camping'), ('Hiking'), ('Fishing'),
    ('Gym Equipment'), ('Puzzles'), ('Board Games'), ('Dolls'), ('Building Bricks'), ('Model Cars'),
    ('Soft Toys'), ('Figures'), ('Learning Toys'), ('Garden Toys'), ('Music Toys'), ('Crafts'), ('Novels'),
    ('Non-Fiction'), ('Audiobooks'), ('E-Books'), ('Magazines'), ('Films'), ('CDs'), ('Vinyl'),
    ('Video Games')
    ON CONFLICT DO NOTHING;
  END IF;
END
$lists$;

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['countries', 'payment_methods', 'categories'] LOOP
    -- ALTER TABLE would wait for whoever reads the list, and later ones for it: not where there is nothing to alter.
    IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = to_regclass('globalmart.' || shop_table) AND c.relowner <> 'globalmart_owner'::regrole) THEN
      EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    END IF;
  END LOOP;
END
$owner$;
GRANT SELECT ON globalmart.countries, globalmart.payment_methods, globalmart.categories TO globalmart_reader, globalmart_analyst;

SELECT globalmart.create_list('countries', 'globalmart.countries', 'country');
SELECT globalmart.create_list('payment_methods', 'globalmart.payment_methods', 'payment_method');
SELECT globalmart.create_list('categories', 'globalmart.categories', 'category');
