#!/usr/bin/python3
"""Sells tickets from Python, from search to refund: psql -f setup.sql, then python3 sell.py

Needs psycopg2 (Debian: python3-psycopg2). The connection comes from the PG… variables, as for psql.
"""
import random
import time
import uuid

import psycopg2

# Try again: another transaction was in the way, the pool is full or there are too many connections at
# the moment, the server stops, was killed or is starting.
RETRY = {'40001', '40P01', '53200', '53300', '57P01', '57P02', '57P03'}
# What a user may be told: not on sale, refused by a rule. Any other error is a bug in the program: let
# it through.
REFUSED = {'TK003', 'TK004'}


class Refused(Exception):
    """The call was refused; `diag` has what the server says of it."""

    def __init__(self, diag):
        super().__init__(f'{diag.sqlstate} {diag.message_primary}')
        self.diag = diag


class Shop:
    """Calls of the seat pool. Each may be repeated, with its request_id where it buys."""

    connection = None

    def call(self, sql, arguments=(), tries=10):
        """Runs one statement, which is a transaction, and returns its rows. No row is an answer: sold out."""
        for attempt in range(1, tries + 1):
            try:
                if self.connection is None or self.connection.closed:
                    self.connection = psycopg2.connect('')
                    self.connection.autocommit = True
                with self.connection.cursor() as cursor:
                    cursor.execute(sql, arguments)
                    return cursor.fetchall()
            except psycopg2.Error as error:
                if error.pgcode in REFUSED:
                    raise Refused(error.diag) from error
                is_lost = error.pgcode is None and isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
                if attempt == tries or not (is_lost or error.pgcode in RETRY):
                    raise
                time.sleep(random.uniform(0.01, 0.02) * 2 ** attempt)

    def hold(self, request_id, user, passengers, day):
        """Holds seats while the user pays. Returns (order_id, seats), or None if fewer seats are left.

        A retry with the same request_id, also after a lost connection, returns the first call's seats
        and holds nothing more.
        """
        rows = self.call(
            "SELECT order_id, coach, seat FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => %s::bigint, "
            'service_date => %s::date, passengers => %s::bigint[], request_id => %s::uuid)',
            (user, day, passengers, str(request_id)))    # a uuid.UUID itself needs register_uuid()
        return (rows[0][0], [f'{coach}/{seat}' for _, coach, seat in rows]) if rows else None

    def paid(self, order_id):
        """The callback of the payment, which may be called twice.

        Returns False if it was called after the hold ran out and no seat is left.
        """
        return bool(self.call('SELECT status FROM ticket_confirm(%s::bigint)', (order_id,)))

    def change(self, request_id, order_id, day):
        """Exchanges the tickets for the same trip on another day. None: it can't be had, the old tickets stay."""
        rows = self.call(
            "SELECT order_id, coach, seat FROM ticket_change(%s::bigint, 'G1', '北京南', '上海虹桥', %s::date, "
            'request_id => %s::uuid)', (order_id, day, str(request_id)))
        return (rows[0][0], [f'{coach}/{seat}' for _, coach, seat in rows]) if rows else None

    def wait(self, request_id, user, passengers, day):
        """Joins the waiting list. Returns (wait_id, status)."""
        option = ('G1', '北京南', '上海虹桥', None, day, 'second', None, None, None, None)    # a tuple is a row
        return self.call('SELECT wait_id, status FROM ticket_wait(%s::bigint, %s::ticket_request[], '
                         'passengers => %s::bigint[], request_id => %s::uuid)', (user, [option], passengers, str(request_id)))[0]


def main():
    shop = Shop()
    # Days are passed as text in both directions: to PostgreSQL a datetime is not a date, and "today"
    # depends on the session's time zone.
    day, after, last = shop.call('SELECT (CURRENT_DATE + 1)::text, (CURRENT_DATE + 2)::text, (CURRENT_DATE + 3)::text')[0]

    for row in shop.call("SELECT train, to_char(departs, 'HH24:MI'), to_char(arrives, 'HH24:MI'), seat_class, remaining "
                         "FROM ticket_search('北京南', '上海虹桥', %s::date)", (day,)):
        print('found: {} {} to {}, {} class, {} left'.format(*row))
    print('remaining:', *shop.call("SELECT ticket_remaining('G1', '北京南', '上海虹桥', %s::date)", (day,))[0])

    request_id = uuid.uuid4()    # one for each click on "buy"
    order_id, seats = shop.hold(request_id, 7, [101, 102], day)
    assert (order_id, seats) == shop.hold(request_id, 7, [101, 102], day)
    print('held:', ', '.join(seats))
    print('paid:', shop.paid(order_id), 'and again:', shop.paid(order_id))

    nine = list(range(1, 10))
    if shop.hold(uuid.uuid4(), 8, nine, day) is None:
        print('sold out: no nine seats are left')
    wait_id, status = shop.wait(uuid.uuid4(), 8, nine, day)
    print('nine seats:', status)

    order_id, seats = shop.change(uuid.uuid4(), order_id, after)
    print('changed:', ', '.join(seats))
    # The change has freed two seats, and whoever waits has them already.
    print('nine seats:', *shop.call('SELECT status FROM ticket_wait WHERE wait_id = %s', (wait_id,))[0])
    for number, status in shop.call('SELECT ticket_no, status FROM ticket_refund(%s::bigint, %s::int[])', (order_id, [1])):
        print(f'ticket {number}: {status}')

    # A train that is not on sale any more, and a rule that refuses.
    shop.call("SELECT ticket_close('G1', %s::date)", (last,))
    shop.call("UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure' RETURNING rule")
    for passenger, when in (103, last), (102, after):
        try:
            shop.hold(uuid.uuid4(), 7, [passenger], when)
        except Refused as refused:
            print(f'refused: {refused}\n  {refused.diag.message_detail}\n  {refused.diag.message_hint}')

    # A batch: each request is all or none by itself; one that is sold out has no row.
    wishes = [('VNP', 'NKH', [201]), ('VNP', 'AOH', list(range(301, 311))), ('NKH', 'AOH', [202])]
    requests = [('G1', start, end, 9, after, None, passengers, None, None, str(uuid.uuid4())) for start, end, passengers in wishes]
    for number, coach, seat in shop.call('SELECT request_no, coach, seat FROM ticket_buy_many(%s::ticket_request[])', (requests,)):
        print(f'batch: request {number} has {coach}/{seat}')


if __name__ == '__main__':
    main()
