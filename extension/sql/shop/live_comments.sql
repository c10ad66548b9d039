-- The columns of the _live views say what those of the tables say, which were told after the views were made.
SELECT globalmart.copy_column_comments(format('globalmart.%I', c.name)::regclass, format('globalmart.%I', c.name || '_live')::regclass)
FROM globalmart.rollup_catalog AS c WHERE c.kind = 'rollup';
