-- What the tables say, without the extension's help: is any seat sold twice over any stretch?
SELECT (SELECT count(*)
        FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
        WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold')
          AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
          AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop) AS "seats sold twice",
       (SELECT count(*) FROM ticket_verify()) AS "differences between pool and tables",
       (SELECT count(*) FROM ticket_inflight) AS "claims left behind";
