#!/usr/bin/env python3
"""How many nodes a search asks, by which the trains of China are spread over nodes.

usage: python3 test/bench/fan_out.py [NODES [DAY]]     (8, 2016-03-10)

Reads the timetable of test/data. A router asks the nodes that serve both stations of a search
(router_station). For each way to assign trains to nodes the script counts them for every pair of
stations that a train connects, once for each pair and once for each train of the pair (a busy pair
is searched more often), and how evenly trains and seats are spread.
"""
import collections
import csv
import gzip
import os
import sys
import zlib

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 8
DAY = sys.argv[2] if len(sys.argv) > 2 else '2016-03-10'
DATA = os.path.join(os.path.dirname(__file__), '..', 'data')
ROOM = 1.05   # a node has at most this many times the average of seats


def rows(name):
    with gzip.open(os.path.join(DATA, name), 'rt', encoding='utf-8') as file:
        yield from csv.DictReader(file)


def runs_on(run_dates, day):
    if run_dates == 'ALL':
        return True
    return any(s.split('..')[0] <= day <= s.split('..')[-1] for s in run_dates.split(';'))


def seats_of(train, stops):
    """As test/bench/national/load.sql gives formations to trains."""
    if train.startswith('G'):
        return formation['CR400AF' if stops <= 4 else 'CR400AF-A']
    return formation['CRH2A' if train.startswith('D') else 'CRH380B']


# The first variant of a series, as test/data/load_sample.sql names formations.
formation, variant = collections.Counter(), {}
with open(os.path.join(DATA, 'cn_emu_layouts.csv'), encoding='utf-8') as file:
    for row in csv.DictReader(file):
        if variant.setdefault(row['series'], row['variant']) == row['variant']:
            formation[row['series']] += int(row['seats'])

running = {t['train_no'] for t in rows('cn2016hs_trains.csv.gz') if runs_on(t['run_dates'], DAY)}
calls = collections.defaultdict(list)
for stop in rows('cn2016hs_stops.csv.gz'):
    if stop['train_no'] in running:
        calls[stop['train_no']].append(stop['station_code'])
trains = sorted(calls)
seats = {t: seats_of(t, len(calls[t])) for t in trains}
mask = {t: 1 if len(calls[t]) <= 9 else 2 if len(calls[t]) <= 17 else 4 if len(calls[t]) <= 33 else 8 for t in trains}


def by_hash():
    return {t: zlib.crc32(t.encode()) % NODES for t in trains}


def packed(key):
    """All trains of one key on one node, the largest groups first, to the node with the fewest."""
    groups = collections.Counter(key(t) for t in trains)
    load, home = [0] * NODES, {}
    for group, count in sorted(groups.items(), key=lambda g: (-g[1], g[0])):
        home[group] = load.index(min(load))
        load[home[group]] += count
    return {t: home[key(t)] for t in trains}


def by_neighbours(passes=12):
    """Each train to the node that serves most of its stations, as long as there is room for its seats."""
    room = ROOM * sum(seats.values()) / NODES
    node, load = packed(lambda t: calls[t][0]), [0] * NODES
    at = [collections.Counter() for _ in range(NODES)]
    for t in trains:
        load[node[t]] += seats[t]
        at[node[t]].update(set(calls[t]))
    for _ in range(passes):
        moved = 0
        for t in trains:
            stations = set(calls[t])
            old = node[t]
            load[old] -= seats[t]
            at[old].subtract(stations)
            best = max((n for n in range(NODES) if load[n] + seats[t] <= room or n == old),
                       key=lambda n: (sum(at[n][s] > 0 for s in stations) + sum(min(at[n][s], 50) for s in stations) / 1000, n == old))
            node[t] = best
            load[best] += seats[t]
            at[best].update(stations)
            moved += best != old
        if not moved:
            break
    return node


def report(name, node):
    serves = collections.defaultdict(set)
    has = collections.defaultdict(set)
    trips = collections.Counter()
    load, stock = [0] * NODES, [0] * NODES
    for t in trains:
        load[node[t]] += 1
        stock[node[t]] += seats[t]
        for i, a in enumerate(calls[t]):
            serves[a].add(node[t])
            for b in set(calls[t][i + 1:]) - {a}:
                trips[a, b] += 1
                has[a, b].add(node[t])
    asked = {p: len(serves[p[0]] & serves[p[1]]) for p in trips}
    pairs, weight = len(trips), sum(trips.values())
    alone = sum(c for p, c in trips.items() if asked[p] == 1) / weight
    print(f'| {name} | {sum(asked.values()) / pairs:.2f} | {sum(asked[p] * c for p, c in trips.items()) / weight:.2f} '
          f'| {sum(len(has[p]) * c for p, c in trips.items()) / weight:.2f} | {100 * alone:.0f} % | {max(asked.values())} '
          f'| {sum(len(s) for s in serves.values()) / len(serves):.2f} | {max(load) * NODES / len(trains):.2f} | {max(stock) * NODES / sum(stock):.2f} |')


bytes_a_day = sum(seats[t] * mask[t] for t in trains)
print(f'{len(trains)} trains on {DAY}, {sum(len(c) for c in calls.values())} calls, {len({s for c in calls.values() for s in c})} stations, '
      f'{sum(seats.values())} seats, {bytes_a_day / 1e6:.2f} MB of masks a day\n')
print(f'{NODES} nodes:\n')
print('| trains assigned by | nodes asked: mean of pairs | weighted by trains | that have a train | searches of one node | most | nodes a station | fullest node: trains | seats |')
print('|---|---:|---:|---:|---:|---:|---:|---:|---:|')
report('a hash of the train', by_hash())
report('origin station', packed(lambda t: calls[t][0]))
report('line (its two ends)', packed(lambda t: tuple(sorted((calls[t][0], calls[t][-1])))))
report('neighbours, room of 5 %', by_neighbours())
