-- What the tables of all nodes say, side by side, without the extension's help, and what the clients
-- were told. Every column must be 0.
SELECT (SELECT count(*)
        FROM proof_ticket a JOIN proof_ticket b USING (train, day, coach, seat)
        WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold')
          AND (a.node, a.order_id, a.ticket_no) < (b.node, b.order_id, b.ticket_no)
          AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop) AS "seats sold twice",
       (SELECT count(*) FROM proof_ack k WHERE what = 'sold'
          AND (SELECT count(*) FROM proof_ticket t WHERE t.order_id = k.order_id AND t.request_id = k.request_id) <> 1) AS "acknowledged, not there",
       (SELECT count(*) FROM proof_ack k WHERE what = 'sold' AND NOT EXISTS (SELECT FROM proof_ack r WHERE r.what = 'refunded' AND r.order_id = k.order_id)
          AND EXISTS (SELECT FROM proof_ticket t WHERE t.order_id = k.order_id AND t.status <> 'sold')) AS "sold, not so there",
       (SELECT count(*) FROM proof_ack k WHERE what = 'refunded'
          AND EXISTS (SELECT FROM proof_ticket t WHERE t.order_id = k.order_id AND t.status <> 'refunded')) AS "refunded, not so there",
       (SELECT count(*) FROM (SELECT FROM proof_ticket WHERE request_id IS NOT NULL GROUP BY request_id HAVING count(*) > 1) t) AS "requests sold twice";
