-- A request for a function without a replica waits here, inside HAProxy, until there is one; its body stays
-- where it is. The controller is asked to wake the function and answers when one runs, or with the reason why
-- none will. Functions that have a replica never come here.

local CONTROLLER_TIMEOUT_MS = 65000
local CONNECTABLE_AFTER_S = 8
local WITHOUT_CONTROLLER_S = 3
local CONNECT_TIMEOUT_S = 1
local PAUSE_MS = 10

local function give_up(txn, reason)
    local reply = txn:reply{ status = 503, reason = "Service Unavailable" }
    reply:add_header("content-type", "text/plain; charset=utf-8")
    reply:add_header("x-openfaas-internal", "gateway")
    reply:add_header("retry-after", "2")
    reply:set_body(reason)
    txn:done(reply)
end

local function seconds()
    local now = core.now()
    return now.sec + now.usec / 1000000
end

-- Fills `verdict.reason` when the controller says why there will be no replica, `verdict.at` in any case.
local function ask_controller(address, name, verdict)
    local client = core.httpclient()
    local answer = client:get{
        url = "http://" .. address .. "/replica/" .. name,
        timeout = CONTROLLER_TIMEOUT_MS,
    }
    -- HAProxy itself answers 503 for a controller that is away; only the controller's own says who it is.
    if answer.status == 503 and answer.headers["x-openfaas-internal"] then
        verdict.reason = answer.body
    end
    verdict.patience_s = answer.status == 204 and CONNECTABLE_AFTER_S or WITHOUT_CONTROLLER_S
    verdict.at = seconds()
end

local function connects(address)
    local connection = core.tcp()
    connection:settimeout(CONNECT_TIMEOUT_S)
    local connected = connection:connect(address)
    connection:close()
    return connected
end

-- A server is taken as up from the moment that its address is known, which does not mean that it listens.
-- HAProxy's own next check may be half a second away, so this looks for itself.
local function accepts_connections(backend)
    for _, server in pairs(backend.servers) do
        if server:get_stats()["status"] == "UP" and connects(server:get_addr()) then
            return true
        end
    end
    return false
end

local function wait_for_replica(txn)
    local backend_name = txn.f:be_name()
    local backend = core.backends[backend_name]
    local name = string.match(backend_name, "^function:(.*)")
    local address = txn:get_var("proc.controller")
    local verdict = {}
    core.register_task(function() ask_controller(address, name, verdict) end)
    while not accepts_connections(backend) do
        if verdict.reason then
            return give_up(txn, verdict.reason)
        end
        if verdict.at and seconds() > verdict.at + verdict.patience_s then
            return give_up(txn, "No replica of " .. name .. " accepts connections.\n")
        end
        core.msleep(PAUSE_MS)
    end
end

core.register_action("wait_for_replica", { "http-req" }, wait_for_replica)
