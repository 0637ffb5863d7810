-- A request for a service of which no replica is up waits here for the first one, instead of being refused.
-- A backend's last resort is the frontend `hold-NAME`: it keeps the request until a replica is up, then closes the
-- connection without an answer, and the gateway tries again, as it does where a replica broke off.

-- Of each server-template.
local REPLICAS_MAX = 8
-- How long one look at a service's replicas is good for, and between two looks of a request that waits.
local LOOK_MS = 25
-- Shorter than `timeout server`, so that an attempt here ends like one that failed and not like one that hung.
local HOLD_MS = 3500

local looks = {}

local function now_ms()
  local now = core.now()
  return now.sec * 1000 + now.usec // 1000
end

local function is_up(txn, service)
  local now = now_ms()
  local last = looks[service]
  if last and now - last.at < LOOK_MS then
    return last.up
  end
  local up = false
  for n = 1, REPLICAS_MAX do
    local found = txn.f:srv_is_up(string.format("%s/%s-%d", service, service, n))
    if found == true or found == 1 then
      up = true
      break
    end
  end
  looks[service] = { at = now, up = up }
  return up
end

core.register_fetches("up", is_up)

core.register_action("hold", { "http-req" }, function(txn, service)
  local deadline = now_ms() + HOLD_MS
  while not is_up(txn, service) and now_ms() < deadline do
    core.msleep(LOOK_MS)
  end
end, 1)
