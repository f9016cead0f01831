-- What happens in a room, one step at a time: each call is atomic, and all nodes hear of it in the order of the calls.
--
-- KEYS: the room's own, in one slot of a cluster. ARGV: the step, the room's channel, the command that tells the nodes
-- (SPUBLISH in a cluster), and what the step takes.

local meta, log, here, nicks, seats, counts, rules = unpack(KEYS, 1, 7)
local step, channel, publish = ARGV[1], ARGV[2], ARGV[3]
local clustered = publish == 'SPUBLISH'

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Who is here is forgotten ten minutes after the last node has said so; what was said, after a month.
local PRESENCE_MS = 600000
local HISTORY_MS = 2592000000
local MESSAGES = 10000

local function int(number)
  return string.format('%.0f', number)
end

local function tell(event)
  redis.call(publish, channel, event)
end

local function keep_history()
  for _, key in ipairs({meta, log, rules}) do redis.call('PEXPIRE', key, HISTORY_MS) end
end

-- Who is here and what is ruled is numbered by its changes, so that a node knows what it reads from what it hears. The
-- first number is the clock's: if the last one is lost, the next is a higher one all the same.
local function changes()
  if redis.call('HSETNX', meta, 'v', int(now)) == 1 then redis.call('PEXPIRE', meta, HISTORY_MS) end
  return redis.call('HGET', meta, 'v')
end

local function tell_change(event)
  changes()
  tell('{"v":' .. int(redis.call('HINCRBY', meta, 'v', 1)) .. ',' .. event .. '}')
end

local function keep_presence()
  for _, key in ipairs({here, nicks, seats, counts}) do redis.call('PEXPIRE', key, PRESENCE_MS) end
end

local function gone(user)
  local person = redis.call('HGET', here, user)
  redis.call('HDEL', counts, user)
  if not person then return end
  local folded = cjson.decode(person).folded
  redis.call('HDEL', here, user)
  if redis.call('HGET', nicks, folded) == user then redis.call('HDEL', nicks, folded) end
  tell_change('"left":"' .. user .. '"')
end

-- A seat is a user and a node; a user has left with the last of theirs.
local function stand_up(seat)
  if redis.call('ZREM', seats, seat) == 0 then return end
  local user = string.sub(seat, 1, 16)
  if redis.call('HINCRBY', counts, user, -1) <= 0 then gone(user) end
end

-- The seats of nodes that say nothing any more.
local function purge()
  for _, seat in ipairs(redis.call('ZRANGEBYSCORE', seats, '-inf', int(now), 'LIMIT', 0, 1000)) do stand_up(seat) end
end

-- Replication is asynchronous: what the nodes have heard of, a replica that takes over may not have, and it would use
-- its offsets again. So a room begins another epoch wherever its history of replication is another one; its messages stay.
local function moved()
  if not clustered then return false end
  local here = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  if redis.call('HGET', meta, 'r') == here then return false end
  redis.call('HSET', meta, 'r', here)
  return true
end

local function epoch(fresh)
  local known = redis.call('HGET', meta, 'e')
  local last = redis.call('HGET', meta, 'o')
  local lost = not known or (last and redis.call('EXISTS', log) == 0)
  if lost then
    -- The number of the changes goes on.
    redis.call('HDEL', meta, 'e', 'o')
    redis.call('DEL', log)
  end
  if not moved() and not lost then return known end
  redis.call('HSET', meta, 'e', fresh)
  return fresh
end

local steps = {}

-- fresh epoch, how many messages
function steps.open(fresh, count)
  purge()
  local e = epoch(fresh)
  keep_history()
  local messages = {}
  for _, entry in ipairs(redis.call('XREVRANGE', log, '+', '-', 'COUNT', count)) do
    table.insert(messages, entry[2][2])
  end
  local top = redis.call('HGET', meta, 'o') or '0'
  return {e, top, messages, redis.call('HVALS', here), redis.call('HGETALL', rules), changes()}
end

-- fresh epoch, from, text, cid (all JSON), pace in ms; KEYS 8: the receipt, 9: the user's pace
function steps.publish(fresh, from, text, cid, pace)
  local receipt = redis.call('GET', KEYS[8])
  if receipt then
    -- Written anew, so that whoever waits for the replicas waits for this one too.
    redis.call('SET', KEYS[8], receipt, 'KEEPTTL')
    return {'again', receipt}
  end
  if tonumber(pace) > 0 then
    local left = redis.call('PTTL', KEYS[9])
    if left > 0 then return {'slow', int(left)} end
  end
  local e = epoch(fresh)
  local o = int(redis.call('HINCRBY', meta, 'o', 1))
  local message = '{"o":' .. o .. ',"from":' .. from .. ',"ts":' .. int(now) .. ',"text":' .. text .. ',"cid":' .. cid .. '}'
  redis.call('XADD', log, 'MAXLEN', '~', MESSAGES, o .. '-0', 'm', message)
  keep_history()
  receipt = o .. ' ' .. int(now)
  redis.call('SET', KEYS[8], receipt, 'PX', 300000)
  if tonumber(pace) > 0 then redis.call('SET', KEYS[9], '1', 'PX', pace) end
  tell('{"said":' .. message .. ',"e":"' .. e .. '"}')
  return {'new', receipt}
end

-- user, node, lease in ms, rank ('mod' or ''), then pairs of nickname and folded nickname, the best first; gives the user as
-- they are here, and as of which change
function steps.enter(user, node, lease, rank, ...)
  purge()
  local wishes = {...}
  local known = redis.call('HGET', here, user)
  local person = known and cjson.decode(known)
  if not person then
    for at = 1, #wishes, 2 do
      if redis.call('HSETNX', nicks, wishes[at + 1], user) == 1 then
        person = {user = user, nick = wishes[at], folded = wishes[at + 1]}
        break
      end
    end
    if not person then return false end
  end
  local news = not known
  if rank == 'mod' and not person.mod then
    person.mod = true
    news = true
  end
  if redis.call('ZADD', seats, int(now + lease), user .. ' ' .. node) == 1 then redis.call('HINCRBY', counts, user, 1) end
  local text = cjson.encode(person)
  if news then
    redis.call('HSET', here, user, text)
    tell_change('"came":' .. text)
  end
  keep_presence()
  return {text, changes()}
end

-- user, node
function steps.exit(user, node)
  stand_up(user .. ' ' .. node)
end

-- node, lease in ms, users; gives the epoch, the last offset and change, and those users who had lost their seats
function steps.touch(node, lease, ...)
  local lost = {}
  for _, user in ipairs({...}) do
    local seat = user .. ' ' .. node
    if redis.call('ZSCORE', seats, seat) then
      redis.call('ZADD', seats, int(now + lease), seat)
    else
      table.insert(lost, user)
    end
  end
  purge()
  keep_presence()
  return {redis.call('HGET', meta, 'e') or '', redis.call('HGET', meta, 'o') or '0', changes(), lost}
end

-- the rule's field, its value or '', the user who has to go or '', the ruling
function steps.rule(field, value, out, ruling)
  if value == '' then redis.call('HDEL', rules, field) else redis.call('HSET', rules, field, value) end
  redis.call('PEXPIRE', rules, HISTORY_MS)
  tell_change('"ruled":' .. ruling)
  if out == '' then return end
  for _, seat in ipairs(redis.call('ZRANGE', seats, 0, -1)) do
    if string.sub(seat, 1, 16) == out then stand_up(seat) end
  end
end

-- the epoch that is over because its messages are lost, the fresh one
function steps.renew(over, fresh)
  if redis.call('HGET', meta, 'e') == over then
    redis.call('DEL', meta, log)
    moved()
    redis.call('HSET', meta, 'e', fresh)
  end
end

return steps[step](unpack(ARGV, 4))
