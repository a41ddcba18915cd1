-- Sends one kind of request along a list of paths, round and round, and tells the outcome as a line of JSON.
-- Arguments after `--`: the method, the body ("-" for none), a file with a path a line.

local requests = {}
local position = 0

function init(args)
  local body = args[2] ~= "-" and args[2] or nil
  local headers = body and {["Content-Type"] = "application/json"} or {}
  for path in io.lines(args[3]) do
    requests[#requests + 1] = wrk.format(args[1], path, headers, body)
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
