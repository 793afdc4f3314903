-- Peer: a bitmap for each departure and segment with a bit for each seat. A sale takes the first
-- free seat from a random byte on: the one whose bit is clear in the OR of the trip's segments.
-- Redis runs one script at a time, so no other sale can interfere. An order is a hash with the
-- columns of the other peers' rows; each departure has a set of its live orders. ARGV: hot or
-- spread, four random numbers, the service date
local mode, r1, r2, r3, r4 = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local sold = tonumber(redis.call('GET', 'orders') or 0)
local departure
if mode == 'hot' then -- another departure after 4,000 tickets, and in each slice
  departure = 'h' .. (redis.call('GET', 'hot_base') or 0) .. ':' .. math.floor(sold / 4000)
else
  departure = 1 + r4 % 1000
end
local a = 1 + r1 % 29
local b = a + 1 + r2 % (30 - a)
local segments = {}
for i = a, b - 1 do segments[#segments + 1] = 'taken:' .. departure .. ':' .. i end

redis.set_repl(redis.REPL_NONE) -- scratch: not for the log
redis.call('BITOP', 'OR', 'scratch', unpack(segments))
redis.set_repl(redis.REPL_ALL)
local seat = redis.call('BITPOS', 'scratch', 0, r3 % 250)
if seat < 0 or seat >= 2000 then seat = redis.call('BITPOS', 'scratch', 0) end
if seat < 0 or seat >= 2000 then
  redis.call('INCR', 'refused')
  return false
end
for i = 1, #segments do redis.call('SETBIT', segments[i], seat, 1) end
local id = redis.call('INCR', 'orders')
local user = 1 + r4 % 1000000
redis.call('HSET', 'order:' .. id, 'ticket_no', 1, 'departure_id', departure, 'service_date', ARGV[6], 'user_id', user, 'passenger_id', user,
  'seat_class', 'second', 'coach', math.floor(seat / 100) + 1, 'seat', seat, 'from_stop', a, 'to_stop', b, 'status', 'sold',
  'created_at', redis.call('TIME')[1])
redis.call('SADD', 'live:' .. departure, id)
return { id, seat }
