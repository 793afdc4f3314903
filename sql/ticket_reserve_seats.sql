-- ticket_reserve_seats: a quota of exactly the seats that are named.
INSERT INTO ticket_station (station, name) VALUES ('RSA', 'Set A'), ('RSB', 'Set B'), ('RSC', 'Set C'), ('RSD', 'Set D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('RS1', 1, 'RSA', NULL, '8:00'), ('RS1', 2, 'RSB', '9:00', '9:02'), ('RS1', 3, 'RSC', '10:00', '10:02'), ('RS1', 4, 'RSD', '11:00', NULL),
    ('RS2', 1, 'RSA', NULL, '8:00'), ('RS2', 2, 'RSB', '9:00', '9:02'), ('RS2', 3, 'RSC', '10:00', '10:02'), ('RS2', 4, 'RSA', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('RS-F', '01', 'first', '{1A,1C}', NULL), ('RS-F', '02', 'second', '{1A,1B,1C,1D,1F}', NULL), ('RS-F', '03', 'standing', NULL, 2);
SELECT ticket_open('RS1', d::date, 'RS-F') > 0 AS opened FROM generate_series('2033-05-01'::date, '2033-05-04', '1 day') AS d;
SELECT ticket_open('RS2', '2033-05-01', 'RS-F') > 0 AS opened;

-- Two seats for the agency, A to C: the channel buys them, others do not see them.
SELECT ticket_reserve_seats('RS1', '2033-05-01', 'agency', '{02/1D,02/1B}', 'RSA', 'Set C') AS quota \gset
SELECT seat_class, channel, seats, from_stop, to_stop, release_at, status, seat_list FROM ticket_reservation WHERE reservation_id = :quota;
SELECT ticket_remaining('RS1', 'RSA', 'RSC', '2033-05-01', 'second') AS open, ticket_remaining('RS1', 'RSA', 'RSC', '2033-05-01', 'second', 'agency') AS agency, ticket_remaining('RS1', 'RSC', 'RSD', '2033-05-01', 'second') AS rest;
SELECT count(*) AS taken FROM ticket_buy_seats('RS1', 'RSB', 'RSC', 1, '{02/1B}', '2033-05-01');
SELECT coach, seat FROM ticket_buy_seats('RS1', 'RSB', 'RSC', 1, '{02/1B}', '2033-05-01', channel => 'agency');
SELECT coach, seat FROM ticket_buy_seats('RS1', 'RSC', 'RSD', 1, '{02/1B}', '2033-05-01');
-- One of them is not free: NULL, and nothing is set aside.
SELECT ticket_reserve_seats('RS1', '2033-05-01', 'hotel', '{02/1A,02/1D}', 'RSB', 'RSD') AS taken;
SELECT ticket_reserve_seats('RS1', '2033-05-01', 'hotel', '{02/1A,02/1D}', 'RSC', 'RSD') > 0 AS reserved;
SELECT ticket_recycle(:quota);
SELECT ticket_remaining('RS1', 'RSA', 'RSC', '2033-05-01', 'second') AS open;
SELECT * FROM ticket_verify();

-- No stations: the whole way, or from or to one end. A broken seat: a channel in which nobody sells.
SELECT ticket_reserve_seats('RS1', '2033-05-02', 'broken', '{01/1A}') AS quota \gset
SELECT from_stop, to_stop, seats FROM ticket_reservation WHERE reservation_id = :quota;
SELECT ticket_remaining('RS1', 'RSA', 'RSB', '2033-05-02', 'first') AS open, ticket_remaining('RS1', 'RSC', 'RSD', '2033-05-02', 'first') AS open;
SELECT count(*) AS taken FROM ticket_buy_seats('RS1', 'RSC', 'RSD', 1, '{01/1A}', '2033-05-02');
SELECT ticket_reserve_seats('RS1', '2033-05-02', 'staff', '{02/1A}', from_station => 'RSB') AS from_b, ticket_reserve_seats('RS1', '2033-05-02', 'staff', '{02/1B}', to_station => 'RSB', release_at => '2099-01-01') AS to_b \gset
SELECT from_stop, to_stop, release_at = '2099-01-01' AS released FROM ticket_reservation WHERE reservation_id IN (:from_b, :to_b) ORDER BY reservation_id;
SELECT coach, seat FROM ticket_buy_seats('RS1', 'RSA', 'RSB', 1, '{02/1A}', '2033-05-02');
SELECT coach, seat FROM ticket_buy_seats('RS1', 'RSB', 'RSD', 1, '{02/1B}', '2033-05-02');
SELECT count(*) AS taken FROM ticket_buy_seats('RS1', 'RSA', 'RSB', 1, '{02/1B}', '2033-05-02');
-- A train that ends where it began
SELECT ticket_reserve_seats('RS2', '2033-05-01', 'broken', '{02/1A}') AS quota, ticket_reserve_seats('RS2', '2033-05-01', 'broken', '{02/1B}', 'RSC') AS quota_2 \gset
SELECT from_stop, to_stop FROM ticket_reservation WHERE reservation_id IN (:quota, :quota_2) ORDER BY reservation_id;
SELECT * FROM ticket_verify();

-- Where nobody may board or alight, a stretch can begin and end all the same.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs, boarding, alighting) VALUES
    ('RS3', 1, 'RSA', NULL, '8:00', false, false), ('RS3', 2, 'RSB', '9:00', '9:02', true, true), ('RS3', 3, 'RSC', '10:00', '10:02', true, true), ('RS3', 4, 'RSD', '11:00', NULL, false, false);
SELECT ticket_open('RS3', '2033-05-01', 'RS-F') > 0 AS opened;
SELECT ticket_reserve_seats('RS3', '2033-05-01', 'staff', '{02/1A}') > 0 AS whole, ticket_reserve_seats('RS3', '2033-05-01', 'staff', '{02/1B}', to_station => 'RSC') > 0 AS part, ticket_reserve_seats('RS3', '2033-05-01', 'staff', '{02/1C}', 'RSB', 'RSD') > 0 AS part;
SELECT * FROM ticket_verify();

-- In a transaction
BEGIN;
SELECT order_id FROM ticket_buy_seats('RS1', 'RSA', 'RSD', 1, '{02/1A}', '2033-05-03') \gset
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A,02/1B}') AS taken;
SELECT status FROM ticket_refund(:order_id);
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A,02/1B}') AS quota \gset
SELECT coach, seat, channel FROM ticket_buy_seats('RS1', 'RSA', 'RSD', 1, '{02/1B,02/1C}', '2033-05-03', channel => 'agency');
SELECT * FROM ticket_verify();
ROLLBACK;
SELECT ticket_remaining('RS1', 'RSA', 'RSD', '2033-05-03', 'second') AS open, ticket_remaining('RS1', 'RSA', 'RSD', '2033-05-03', 'second', 'agency') AS agency;
BEGIN;
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A,02/1B}') AS quota \gset
SELECT ticket_recycle(:quota);
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'hotel', '{02/1B,02/1C}') > 0 AS reserved;
COMMIT;
SELECT ticket_remaining('RS1', 'RSA', 'RSD', '2033-05-03', 'second') AS open, ticket_remaining('RS1', 'RSA', 'RSD', '2033-05-03', 'second', 'hotel') AS hotel;
SELECT * FROM ticket_verify();

-- Refused: 22023; 22004 for NULL.
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{01/1A,02/1A}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A,02/2A}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A,02/1A}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A}', release_at => '2020-01-01');
\set VERBOSITY sqlstate
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{03/1}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', '', '{02/1A}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', NULL, '{02/1A}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', NULL);
SELECT ticket_reserve_seats(NULL, '2033-05-03', 'agency', '{02/1A}');
SELECT ticket_reserve_seats('RS1', NULL, 'agency', '{02/1A}');
SELECT ticket_reserve_seats('RS9', '2033-05-03', 'agency', '{02/1A}');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A}', 'RSC', 'RSA');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A}', from_station => 'RSD');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A}', to_station => 'nowhere');
SELECT ticket_close('RS1', '2033-05-03');
SELECT ticket_reserve_seats('RS1', '2033-05-03', 'agency', '{02/1A}');
