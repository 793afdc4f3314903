-- What the calls of one slice ask for: :batches batches of :size random trips on one of :trains
-- departures of the :day-th day from today, for ticket_buy_many and for unnest.
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench_batch;
CREATE TABLE bench_batch (n int PRIMARY KEY, requests ticket_request[], trains bigint[], users bigint[], froms int[], tos int[]);
ALTER TABLE bench_batch ALTER requests SET STORAGE EXTERNAL, ALTER trains SET STORAGE EXTERNAL, ALTER users SET STORAGE EXTERNAL,
  ALTER froms SET STORAGE EXTERNAL, ALTER tos SET STORAGE EXTERNAL;
INSERT INTO bench_batch
SELECT n, array_agg(ROW(train, a, b, user_id, :'today'::date + :day, 'second', NULL, NULL, NULL, NULL)::ticket_request),
       array_agg(train), array_agg(user_id), array_agg(a), array_agg(b)
FROM (SELECT *, a + 1 + floor(random() * (30 - a))::int AS b
      FROM (SELECT 1 + i % :batches AS n, 1 + floor(random() * :trains)::bigint AS train, 1 + floor(random() * 1000000)::bigint AS user_id,
                   1 + floor(random() * 29)::int AS a
            FROM generate_series(1, :batches * :size) AS i) AS r) AS trip
GROUP BY n;
ANALYZE bench_batch;
