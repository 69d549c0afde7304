-- Sends the requests of a file, one after the other and over again, and prints what came of it as one line of JSON.
-- Each line is a path, a header's name and its value, with tabs between. All are put together beforehand.
local requests, count, next = {}, 0, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, name, value = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = { ["Host"] = "models.example.com", ["User-Agent"] = "bench/1", ["Accept"] = "*/*" }
    if name ~= "" then headers[name] = value end
    count = count + 1
    requests[count] = wrk.format("GET", path, headers)
  end
end

function request()
  next = next % count + 1
  return requests[next]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
