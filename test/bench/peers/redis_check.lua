-- What the Redis rows left behind, as "what|count". Each count except that of the order rows should
-- be 0.
local orders = tonumber(redis.call('GET', 'orders') or 0)
local taken, twice, segments, departures = {}, 0, 0, {}
for id = 1, orders do
  local o = redis.call('HMGET', 'order:' .. id, 'departure_id', 'seat', 'from_stop', 'to_stop')
  departures[o[1]] = true
  for i = tonumber(o[3]), tonumber(o[4]) - 1 do
    local key = o[1] .. ':' .. o[2] .. ':' .. i
    if taken[key] then twice = twice + 1 end
    taken[key] = true
    segments = segments + 1
  end
end
local bits = 0
for departure in pairs(departures) do
  for i = 1, 29 do bits = bits + redis.call('BITCOUNT', 'taken:' .. departure .. ':' .. i) end
end
return { 'redis: order rows|' .. orders, 'redis: seat-segments sold twice|' .. twice, 'redis: bits that no order explains|' .. math.abs(bits - segments) }
