-- The question gate: asked, answered, barred; the rules that ask for it.
SELECT item_open(1301, 100) > 0 AS opened;
INSERT INTO item_question VALUES (1301, 1, 'How many beans make five?', ' Five ');
SELECT item_ask(1301, 1);
SELECT item_ask(1301, 1);
UPDATE ticket_rule SET enabled = true WHERE rule = 'item_rule_question_gate';
SELECT * FROM item_buy(1301, 1);
SELECT item_answer(1301, 1, 'four');
SELECT wrong_answers, opened_until FROM item_gate WHERE item_id = 1301;
SELECT * FROM item_buy(1301, 1);
SELECT item_answer(1301, 1, E'\tFIVE ');
SELECT wrong_answers, opened_until > now() + interval '9 min' AND opened_until < now() + interval '11 min' AS for_ten_minutes FROM item_gate WHERE item_id = 1301;
SELECT buy_quantity FROM item_buy(1301, 1);
SELECT buy_quantity FROM item_buy(1301, 1);
-- Again, while it is open: nothing changes.
SELECT opened_until AS opened FROM item_gate WHERE item_id = 1301 \gset
SELECT item_answer(1301, 1, 'five'), item_answer(1301, 1, 'six');
SELECT item_ask(1301, 1);
SELECT opened_until = :'opened' AS unchanged, wrong_answers FROM item_gate WHERE item_id = 1301;
-- Others have to answer for themselves; items without questions are open.
SELECT * FROM item_buy(1301, 2);
SELECT item_open(1302, 5) > 0 AS opened;
SELECT buy_quantity FROM item_buy(1302, 2);
-- It closes.
UPDATE item_gate SET opened_until = clock_timestamp() WHERE item_id = 1301;
SELECT * FROM item_buy(1301, 1);
SELECT item_answer(1301, 1, 'five');
SELECT item_ask(1301, 1);
SELECT item_answer(1301, 1, 'five');
SELECT buy_quantity FROM item_buy(1301, 1);
-- Too many wrong answers
SET ticketpool.gate_tries = 3;
SET ticketpool.gate_ttl = '1h';
SELECT item_ask(1301, 3);
SELECT item_answer(1301, 3, ''), item_answer(1301, 3, 'fiv'), item_answer(1301, 3, 'five five');
SELECT wrong_answers, locked_until > now() + interval '59 min' AS for_an_hour FROM item_gate WHERE user_id = 3;
\set VERBOSITY sqlstate
SELECT item_answer(1301, 3, 'five');
SELECT item_ask(1301, 3);
SELECT * FROM item_buy(1301, 3);
\set VERBOSITY default
UPDATE item_gate SET locked_until = clock_timestamp() WHERE user_id = 3;
SELECT item_answer(1301, 3, 'five');
-- A new question then: another one where there is one.
INSERT INTO item_question VALUES (1301, 2, '2 + 2?', '4');
SELECT item_ask(1301, 3);
SELECT wrong_answers, locked_until, question_no FROM item_gate WHERE user_id = 3;
SELECT item_answer(1301, 3, 'five');
SELECT item_answer(1301, 3, '4');
SELECT buy_quantity FROM item_buy(1301, 3);
-- A question that is taken out of the bank is replaced.
SELECT item_ask(1301, 4) IS NOT NULL AS asked;
DELETE FROM item_question WHERE question_no = (SELECT question_no FROM item_gate WHERE user_id = 4);
SELECT item_answer(1301, 4, '4');
SELECT item_ask(1301, 4) IS NOT NULL AS asked;
-- A rollback takes it back.
BEGIN;
SELECT item_ask(1301, 5) IS NOT NULL AS asked;
ROLLBACK;
SELECT count(*) FROM item_gate WHERE user_id = 5;
-- Malformed
SELECT item_ask(1302, 1);
SELECT item_ask(NULL, 1);
SELECT item_ask(1301, NULL);
SELECT item_answer(1301, 77, 'five');
SELECT item_answer(1301, 1, NULL);
SELECT item_answer(NULL, 1, 'five');
SELECT item_answer(1301, NULL, 'five');
RESET ticketpool.gate_tries;
RESET ticketpool.gate_ttl;
UPDATE ticket_rule SET enabled = false WHERE rule = 'item_rule_question_gate';
SELECT buy_quantity FROM item_buy(1301, 4);

-- The same for trains, with the departure's id.
INSERT INTO ticket_station (station, name) VALUES ('IGA', 'Gate A'), ('IGB', 'Gate B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('IG1', 1, 'IGA', NULL, '8:00'), ('IG1', 2, 'IGB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('IG-F', '01', 'second', '{1A,1B,1C}');
SELECT ticket_open('IG1', '2031-05-01', 'IG-F') AS departure \gset
INSERT INTO item_question VALUES (:departure, 1, 'Where to?', 'Gate B');
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_question_gate';
SELECT * FROM ticket_buy('IG1', 'IGA', 'IGB', 1, '2031-05-01');
SELECT item_ask(:departure, 1);
SELECT item_answer(:departure, 1, 'gate b');
SELECT seat IS NOT NULL AS bought FROM ticket_buy('IG1', 'IGA', 'IGB', 1, '2031-05-01');
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_question_gate';
