-- What PUBLIC may do with each object of the extension, as a list: a new object, or a new right, changes it.
CREATE TEMP VIEW member AS
SELECT classid, objid FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND deptype IN ('e', 'i')
UNION
SELECT i.classid, i.objid FROM pg_depend e JOIN pg_depend i ON i.refclassid = e.classid AND i.refobjid = e.objid AND i.deptype IN ('i', 'a')
WHERE e.refclassid = 'pg_extension'::regclass AND e.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND e.deptype = 'e';
CREATE ROLE regress_ticket_nobody;
SELECT pg_describe_object(classid, objid, 0) AS function, has_function_privilege('regress_ticket_nobody', objid, 'EXECUTE') AS execute
FROM member WHERE classid = 'pg_proc'::regclass ORDER BY objid::regprocedure::text COLLATE "C";
-- Tables, views and sequences: which of all rights there are
SELECT c.relname, c.relkind,
    CASE c.relkind WHEN 'S' THEN (SELECT string_agg(r, ' ') FROM unnest('{USAGE,SELECT,UPDATE}'::text[]) r WHERE has_sequence_privilege('regress_ticket_nobody', c.oid, r))
        ELSE (SELECT string_agg(r, ' ') FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) r
              WHERE has_table_privilege('regress_ticket_nobody', c.oid, r) OR (r IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege('regress_ticket_nobody', c.oid, r))) END AS nobody_may,
    (SELECT string_agg(DISTINCT (acl).grantee::regrole || '=' || (acl).privilege_type, ' ') FROM (SELECT aclexplode(c.relacl) AS acl) a WHERE (acl).grantee <> c.relowner) AS granted
FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT c.relispartition ORDER BY c.relname COLLATE "C";
-- Types are there for everybody, as types are.
SELECT t.typname, has_type_privilege('regress_ticket_nobody', t.oid, 'USAGE') AS usage
FROM member JOIN pg_type t ON classid = 'pg_type'::regclass AND objid = t.oid JOIN pg_class c ON c.oid = t.typrelid WHERE c.relkind = 'c' ORDER BY 1;
-- To whom functions are granted besides
SELECT p.proname, (acl).grantee::regrole AS grantee, (acl).privilege_type
FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid, LATERAL (SELECT aclexplode(p.proacl) AS acl) a
WHERE (acl).grantee NOT IN (p.proowner, 0) ORDER BY 1, 2;
-- Each object that is called or read is what it says when nobody calls it: 42501 and nothing else, whatever the arguments.
SET ROLE regress_ticket_nobody;
DO $$
DECLARE
    f record;
    wrong text := '';
BEGIN
    FOR f IN SELECT p.oid::regprocedure AS called, p.pronargs, p.proname FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND d.deptype = 'e'
          AND NOT has_function_privilege(p.oid, 'EXECUTE')
    LOOP
        BEGIN
            EXECUTE format('SELECT %I(%s)', f.proname, (SELECT string_agg('NULL', ', ') FROM generate_series(1, f.pronargs)));
            wrong := wrong || f.called || ' was called; ';
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE <> '42501' THEN
                wrong := wrong || f.called || ' ' || SQLSTATE || '; ';
            END IF;
        END;
    END LOOP;
    RAISE NOTICE 'wrong: "%"', wrong;
END $$;
RESET ROLE;
-- Settings that bind sellers are not theirs to change.
SELECT name, context FROM pg_settings WHERE name LIKE 'ticketpool.%' ORDER BY name;
DROP ROLE regress_ticket_nobody;
