#!/usr/bin/python3
"""Sells tickets from Python: psql -f setup.sql, then python3 sell.py

Needs psycopg2 (Debian: python3-psycopg2). The connection comes from the PG… variables, as for psql.
"""
import uuid

import psycopg2

# What a call may answer besides tickets and "sold out". Any other error is a bug in the program: let
# it through.
RETRY = {'40001', '40P01'}                    # another transaction was in the way: try again
NOT_ON_SALE, REFUSED_BY_RULE = 'TK003', 'TK004'


class Refused(Exception):
    """The purchase was refused; the text is for the user."""


def call(connection, sql, arguments=(), tries=5):
    """Runs one statement as a transaction and returns its rows. An empty list is an answer: sold out."""
    while True:
        try:
            with connection, connection.cursor() as cursor:    # commits, or rolls back, which gives all seats back
                cursor.execute(sql, arguments)
                return cursor.fetchall()
        except psycopg2.Error as error:
            if error.pgcode in RETRY and tries > 1:
                tries -= 1
            elif error.pgcode in (NOT_ON_SALE, REFUSED_BY_RULE):
                raise Refused(error.diag.message_primary) from error
            else:
                raise


def hold(connection, request_id, user, passengers, day, train='G1', start='北京南', end='上海虹桥'):
    """Holds seats while the user pays. Returns (order_id, seats), or None if fewer seats are left.

    A retry with the same request_id, also after a lost connection, returns the first call's seats and
    holds nothing more.
    """
    rows = call(connection,
                'SELECT order_id, coach, seat FROM ticket_hold(%s::text, %s::text, %s::text, user_id => %s::bigint, '
                'service_date => %s::date, passengers => %s::bigint[], request_id => %s::uuid)',
                (train, start, end, user, day, passengers, str(request_id)))    # a uuid.UUID itself needs register_uuid()
    return (rows[0][0], [f'{coach}/{seat}' for _, coach, seat in rows]) if rows else None


def paid(connection, order_id):
    """The callback of the payment, which may be called twice.

    Returns False if it was called after the hold ran out and no seat is left.
    """
    return bool(call(connection, 'SELECT status FROM ticket_confirm(%s::bigint)', (order_id,)))


def main():
    connection = psycopg2.connect('')
    # Days are passed as text in both directions: to PostgreSQL a datetime is not a date, and "today"
    # depends on the session's time zone.
    day, after, last = call(connection, 'SELECT (CURRENT_DATE + 1)::text, (CURRENT_DATE + 2)::text, (CURRENT_DATE + 3)::text')[0]

    request_id = uuid.uuid4()    # one for each click on "buy"
    order_id, seats = hold(connection, request_id, 7, [101, 102], day)
    assert (order_id, seats) == hold(connection, request_id, 7, [101, 102], day)
    print('held:', ', '.join(seats))
    print('paid:', paid(connection, order_id), 'and again:', paid(connection, order_id))

    if hold(connection, uuid.uuid4(), 8, list(range(1, 10)), day) is None:
        print('sold out: no nine seats are left')

    # A train that is not on sale any more, and a rule that refuses.
    call(connection, "SELECT ticket_close('G1', %s::date)", (last,))
    call(connection, "UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure' RETURNING rule")
    for passenger, when in (103, last), (101, day):
        try:
            hold(connection, uuid.uuid4(), 7, [passenger], when)
        except Refused as reason:
            print('refused:', reason)

    # A batch: each request is all or none by itself; one that is sold out has no row.
    wishes = [('VNP', 'NKH', [201]), ('VNP', 'AOH', list(range(301, 311))), ('NKH', 'AOH', [202])]
    requests = [('G1', start, end, 9, after, None, passengers, None, None, None) for start, end, passengers in wishes]
    for number, coach, seat in call(connection, 'SELECT request_no, coach, seat FROM ticket_buy_many(%s::ticket_request[])', (requests,)):
        print(f'batch: request {number} has {coach}/{seat}')


if __name__ == '__main__':
    main()
