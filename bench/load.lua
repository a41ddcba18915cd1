-- Sends one kind of request along lists of paths and of bodies, round and round, and prints the outcome as JSON.
-- Arguments after `--`: the method, a file with a path a line, a file with a body a line, which can be empty.

local requests = {}
local position = 0

local function lines_of(name)
  local lines = {}
  for line in io.lines(name) do
    lines[#lines + 1] = line
  end
  return lines
end

function init(args)
  local paths, bodies = lines_of(args[2]), lines_of(args[3])
  local headers = #bodies > 0 and {["Content-Type"] = "application/json"} or {}
  for number = 1, math.max(#paths, #bodies) do
    local path = paths[(number - 1) % #paths + 1]
    -- The remainder of a division by zero is no number, at which there is no body.
    requests[number] = wrk.format(args[1], path, headers, bodies[(number - 1) % #bodies + 1])
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"refused":%d,"broken":%d,"microseconds":%d,"bytes":%d,"mean":%.1f,"p50":%d,"p99":%d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration, summary.bytes, latency.mean, latency:percentile(50), latency:percentile(99)
  ))
end
