-- What the clients' sessions wait for, sampled for two and a half seconds: "event|sessions on
-- average".
CREATE TEMP TABLE wait (event text);
DO $$
BEGIN
  FOR sample IN 1 .. 150 LOOP
    PERFORM pg_stat_clear_snapshot();
    INSERT INTO wait SELECT coalesce(wait_event_type || ': ' || wait_event, 'none: it runs') FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
    PERFORM pg_sleep(0.015);
  END LOOP;
END $$;
SELECT event, round(count(*) / 150.0, 2) FROM wait GROUP BY event HAVING count(*) >= 8 ORDER BY 2 DESC;
