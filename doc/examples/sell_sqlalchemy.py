#!/usr/bin/python3
"""Sells tickets from SQLAlchemy, from search to refund: psql -f setup.sql, then python3 sell_sqlalchemy.py

Needs SQLAlchemy 1.4 or 2 and psycopg2 (Debian: python3-sqlalchemy, python3-psycopg2). The connection
comes from the PG… variables, as for psql.
"""
import random
import time
import uuid

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

# AUTOCOMMIT: each statement is a transaction. Without it, a sale on a connection from
# engine.connect() is rolled back at the end unless the program commits it.
engine = create_engine('postgresql+psycopg2://', isolation_level='AUTOCOMMIT')

# Try again: another transaction was in the way, the pool is full or there are too many connections at
# the moment, the server stops, was killed or is starting.
RETRY = {'40001', '40P01', '53200', '53300', '57P01', '57P02', '57P03'}
REFUSED = {'TK003', 'TK004'}    # not on sale, refused by a rule. Any other error is a bug: let it through


class Refused(Exception):
    """The call was refused; `diag` has what the server says of it."""

    def __init__(self, diag):
        super().__init__(f'{diag.sqlstate} {diag.message_primary}')
        self.diag = diag


def call(sql, tries=10, **parameters):
    """Runs one statement, and again where that may help, and returns its rows. No row is an answer: sold out.

    Every call here may be repeated: what buys has a request_id. Casts are written CAST(:x AS type),
    because text() does not see a parameter in :x::type.
    """
    for attempt in range(1, tries + 1):
        try:
            with engine.connect() as connection:    # the engine throws broken connections away
                return connection.execute(text(sql), parameters).all()
        except DBAPIError as error:
            state = error.orig.pgcode
            if state in REFUSED:
                raise Refused(error.orig.diag) from error
            is_lost = state is None and isinstance(error, (OperationalError, InterfaceError))
            if attempt == tries or not (is_lost or state in RETRY):
                raise
            time.sleep(random.uniform(0.01, 0.02) * 2 ** attempt)


def hold(request_id, user, passengers, day):
    """Holds seats while the user pays. Returns the tickets; an empty list: fewer seats are left."""
    return call("""SELECT order_id, coach || '/' || seat AS place
                   FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => CAST(:user AS bigint), service_date => CAST(:day AS date),
                                    passengers => CAST(:passengers AS bigint[]), request_id => CAST(:request_id AS uuid))""",
                user=user, day=day, passengers=passengers, request_id=str(request_id))


def paid(order_id):
    """The callback of the payment, which may be called twice. False: too late, and no seat is left."""
    return bool(call('SELECT status FROM ticket_confirm(CAST(:order_id AS bigint))', order_id=order_id))


def main():
    # Days are passed as text in both directions.
    (day, after, last), = call('SELECT CAST(CURRENT_DATE + 1 AS text), CAST(CURRENT_DATE + 2 AS text), CAST(CURRENT_DATE + 3 AS text)')

    for train in call("""SELECT train, to_char(departs, 'HH24\\:MI') AS leaves, to_char(arrives, 'HH24\\:MI') AS arrives, seat_class, remaining
                         FROM ticket_search('北京南', '上海虹桥', CAST(:day AS date))""", day=day):
        print(f'found: {train.train} {train.leaves} to {train.arrives}, {train.seat_class} class, {train.remaining} left')
    print('remaining:', *call("SELECT ticket_remaining('G1', '北京南', '上海虹桥', CAST(:day AS date))", day=day)[0])

    request_id = uuid.uuid4()    # one for each click on "buy"
    tickets = hold(request_id, 7, [101, 102], day)
    assert tickets == hold(request_id, 7, [101, 102], day)    # a retry holds nothing more
    print('held:', ', '.join(ticket.place for ticket in tickets))
    order_id = tickets[0].order_id
    print('paid:', paid(order_id), 'and again:', paid(order_id))

    nine = list(range(1, 10))
    if not hold(uuid.uuid4(), 8, nine, day):
        print('sold out: no nine seats are left')
    option = ('G1', '北京南', '上海虹桥', None, day, 'second', None, None, None, None)    # a tuple is a row
    (wait_id, status), = call("""SELECT wait_id, status FROM ticket_wait(CAST(:user AS bigint), CAST(:options AS ticket_request[]),
                                     passengers => CAST(:passengers AS bigint[]), request_id => CAST(:request_id AS uuid))""",
                              user=8, options=[option], passengers=nine, request_id=str(uuid.uuid4()))
    print('nine seats:', status)

    # Exchanged in one step. No row: the new trip can't be had, and the old tickets stay.
    tickets = call("""SELECT order_id, coach || '/' || seat AS place
                      FROM ticket_change(CAST(:order_id AS bigint), 'G1', '北京南', '上海虹桥', CAST(:day AS date), request_id => CAST(:request_id AS uuid))""",
                   order_id=order_id, day=after, request_id=str(uuid.uuid4()))
    print('changed:', ', '.join(ticket.place for ticket in tickets))
    # The change has freed two seats, and whoever waits has them already.
    print('nine seats:', *call('SELECT status FROM ticket_wait WHERE wait_id = :wait_id', wait_id=wait_id)[0])
    for number, status in call('SELECT ticket_no, status FROM ticket_refund(CAST(:order_id AS bigint), CAST(:tickets AS int[]))',
                               order_id=tickets[0].order_id, tickets=[1]):
        print(f'ticket {number}: {status}')

    # A train that is not on sale any more, and a rule that refuses.
    call("SELECT ticket_close('G1', CAST(:day AS date))", day=last)
    call("UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure' RETURNING rule")
    for passenger, when in (103, last), (102, after):
        try:
            hold(uuid.uuid4(), 7, [passenger], when)
        except Refused as refused:
            print(f'refused: {refused}\n  {refused.diag.message_detail}\n  {refused.diag.message_hint}')

    # A batch: each request is all or none by itself; one that is sold out has no row.
    wishes = [('VNP', 'NKH', [201]), ('VNP', 'AOH', list(range(301, 311))), ('NKH', 'AOH', [202])]
    requests = [('G1', start, end, 9, after, None, passengers, None, None, str(uuid.uuid4())) for start, end, passengers in wishes]
    for number, place in call("SELECT request_no, coach || '/' || seat FROM ticket_buy_many(CAST(:requests AS ticket_request[]))", requests=requests):
        print(f'batch: request {number} has {place}')


if __name__ == '__main__':
    main()
