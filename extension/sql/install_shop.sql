-- The shop: made as ordinary objects of the owner, so that they can be altered, dropped and restored.
CREATE FUNCTION globalmart.install_shop() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
  script record;
  role_before text := current_setting('role');
BEGIN
  PERFORM globalmart.require_owner();
  -- The shop's tables are its owner's, with whatever triggers he gave them: nothing of his runs with a superuser's rights.
  IF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
    PERFORM set_config('role', 'globalmart_owner', true);
  END IF;
  FOR script IN SELECT s.name, s.body FROM globalmart.shop_scripts AS s ORDER BY s.ordinal LOOP
    -- A rollup that is there is the owner's: its comments and privileges as well as its definition.
    CONTINUE WHEN EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE script.name = 'rollups/' || c.name || '.sql');
    BEGIN
      EXECUTE script.body;
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM, DETAIL = 'In the shop''s script ' || script.name,
        HINT = 'install_shop() changed nothing; mend the cause and call it again.';
    END;
  END LOOP;
  PERFORM set_config('role', role_before, true);
END
$$;
COMMENT ON FUNCTION globalmart.install_shop() IS
  'Makes the shop''s streams, lists and rollups, as far as they are not there: what was dropped comes back as shipped, what was changed stays. Views, and grants and comments on streams, are set anew';
