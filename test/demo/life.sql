-- After the sale: holds that run out, a quota that returns, a payment that is late, an exchange.
-- Nobody calls ticket_sweep: the background worker does the work. Today's G1 and G13 have ten
-- business seats each, untouched: the demo sells from tomorrow on.
CREATE TEMP VIEW look AS
SELECT outcome, remaining, held, ticket_remaining('G13', '北京南', '上海虹桥', CURRENT_DATE, 'business', 'agency') AS agency,
       ticket_remaining('G13', '北京南', '上海虹桥', CURRENT_DATE, 'business') AS others
FROM ticket_why('G1', '北京南', '上海虹桥', CURRENT_DATE, 'business');
CREATE TEMP TABLE moment (n int GENERATED ALWAYS AS IDENTITY, moment text, seen look);
CREATE TEMP TABLE step (n int GENERATED ALWAYS AS IDENTITY, step text, o ticket_order);

INSERT INTO moment (moment, seen) SELECT 'before', look FROM look;
INSERT INTO step (step, o)
SELECT 'ticket_hold', o FROM generate_series(1, 10) AS user_id, ticket_hold('G1', '北京南', '上海虹桥', user_id, CURRENT_DATE, 'business', ttl => '2 s') AS o;
SELECT ticket_reserve('G13', CURRENT_DATE, 'business', 'agency', 4, '北京南', '上海虹桥', release_at => now() + interval '2 s') \g /dev/null
INSERT INTO moment (moment, seen) SELECT 'G1: 10 held for 2 s, G13: 4 set aside for 2 s', look FROM look;
DO $$
BEGIN
  WHILE clock_timestamp() < now() + interval '15 s'
        AND (EXISTS (SELECT FROM ticket_order WHERE status = 'held') OR EXISTS (SELECT FROM ticket_reservation WHERE status = 'open'))
  LOOP PERFORM pg_sleep(0.1); END LOOP;
  INSERT INTO moment (moment, seen) SELECT round(extract(epoch FROM clock_timestamp() - now()), 1) || ' s later', look FROM look;
END $$;
SELECT moment, (seen).outcome AS "G1: ticket_why", (seen).remaining, (seen).held, (seen).agency AS "G13: the agency sees", (seen).others AS "others see"
FROM moment ORDER BY n;

-- One of the ten pays all the same, and then changes to a shorter trip.
SELECT min((o).order_id) AS late FROM step \gset
DELETE FROM step WHERE (o).order_id <> :late;
INSERT INTO step (step, o) SELECT 'its time is over', o FROM ticket_order AS o WHERE order_id = :late;
INSERT INTO step (step, o) SELECT 'ticket_confirm, too late', o FROM ticket_confirm(:late) AS o;
INSERT INTO step (step, o) SELECT 'ticket_change, to a shorter trip', o FROM ticket_change(:late, 'G1', '北京南', '南京南', CURRENT_DATE, 'business') AS o;
SELECT step AS "one of the ten", (o).coach || '/' || (o).seat AS seat,
       (SELECT string_agg(name, ' - ' ORDER BY stop_no) FROM ticket_stop JOIN ticket_station USING (station)
        WHERE train = 'G1' AND stop_no IN ((o).from_stop, (o).to_stop)) AS trip, (o).status
FROM step ORDER BY n;
