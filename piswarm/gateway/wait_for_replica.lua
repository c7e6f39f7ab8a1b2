-- A request for a function without a replica waits here, inside HAProxy, until there is one; its body stays
-- where it is. The controller is asked to wake the function and answers when replicas run, with their
-- addresses, or with the reason why none will. HAProxy itself learns an address from the DNS, up to half a
-- second later; until then requests go straight to it, through the server `woken`.
-- Functions that have a replica never come here.

local CONTROLLER_TIMEOUT_MS = 65000
local CONNECTABLE_AFTER_S = 8
local WITHOUT_CONTROLLER_S = 3
local LEAST_CONNECT_TIMEOUT_S = 0.1
local LONGEST_CONNECT_TIMEOUT_S = 1
local PAUSE_MS = 10
local GOOD_FOR_S = 1
local ABANDONED_AFTER_S = 5

-- What is known of each function that requests wait for; they share one look-out for as long as it is of use.
local lookouts = {}

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

local function retire(lookout)
    if lookouts[lookout.name] == lookout then
        lookouts[lookout.name] = nil
    end
end

-- Fills `reason` when the controller says why there will be no replica, otherwise the replicas' addresses.
local function ask_controller(lookout, controller)
    local client = core.httpclient()
    local answer = client:get{
        url = "http://" .. controller .. "/replica/" .. lookout.name,
        timeout = CONTROLLER_TIMEOUT_MS,
    }
    lookout.answered_at = seconds()
    if answer.status == 200 then
        lookout.patience_s = CONNECTABLE_AFTER_S
        for address in string.gmatch(answer.body, "%S+") do
            table.insert(lookout.addresses, address)
        end
        return
    end
    lookout.patience_s = WITHOUT_CONTROLLER_S
    -- HAProxy itself answers 503 for a controller that is away; only the controller's own says who it is.
    if answer.status == 503 and answer.headers["x-openfaas-internal"] then
        retire(lookout)
        lookout.reason = answer.body
    end
end

-- The first packet to a container that has just started is lost now and then, so the first attempts are short; later
-- ones give a slow network its time.
local function connect_timeout_s(lookout)
    local waited_s = lookout.answered_at and seconds() - lookout.answered_at or 0
    return math.max(LEAST_CONNECT_TIMEOUT_S, math.min(waited_s / 4, LONGEST_CONNECT_TIMEOUT_S))
end

local function connects(address, timeout_s)
    local connection = core.tcp()
    connection:settimeout(timeout_s)
    local connected = connection:connect(address)
    connection:close()
    return connected
end

-- A server is taken as up from the moment that its address is known, which does not mean that it listens.
-- HAProxy's own next check may be half a second away, so this looks for itself.
local function has_server_that_listens(backend, timeout_s)
    for _, server in pairs(backend.servers) do
        if server:get_stats()["status"] == "UP" and connects(server:get_addr(), timeout_s) then
            return true
        end
    end
    return false
end

-- A backend without the server `woken` has nothing but what the DNS tells.
local function port_of_woken(backend)
    local woken = backend.servers["woken"]
    return woken and string.match(woken:get_addr(), ":%d+$")
end

local function address_that_listens(lookout, timeout_s)
    for _, address in ipairs(lookout.port and lookout.addresses or {}) do
        if connects(address .. lookout.port, timeout_s) then
            return address
        end
    end
end

local function is_out_of_date(lookout)
    return lookout.good_until
        and (seconds() > lookout.good_until or not connects(lookout.address .. lookout.port, LEAST_CONNECT_TIMEOUT_S))
end

local function look_out(lookout, backend)
    while not lookout.reason and seconds() < lookout.wanted_at + ABANDONED_AFTER_S do
        local timeout_s = connect_timeout_s(lookout)
        if has_server_that_listens(backend, timeout_s) then
            lookout.found = true
            break
        end
        lookout.address = address_that_listens(lookout, timeout_s)
        if lookout.address then
            lookout.found = true
            lookout.good_until = seconds() + GOOD_FOR_S
            return
        end
        if lookout.answered_at and seconds() > lookout.answered_at + lookout.patience_s then
            retire(lookout)
        end
        core.msleep(PAUSE_MS)
    end
    retire(lookout)
end

local function lookout_for(name, backend, controller)
    local lookout = lookouts[name]
    if lookout == nil or is_out_of_date(lookout) then
        lookout = { name = name, port = port_of_woken(backend), addresses = {}, wanted_at = seconds() }
        lookouts[name] = lookout
        core.register_task(function() ask_controller(lookout, controller) end)
        core.register_task(function() look_out(lookout, backend) end)
    end
    return lookout
end

local function wait_for_replica(txn)
    local backend_name = txn.f:be_name()
    local name = string.match(backend_name, "^function:(.*)")
    local lookout = lookout_for(name, core.backends[backend_name], txn:get_var("proc.controller"))
    local began = seconds()
    while not lookout.found do
        if lookout.reason then
            return give_up(txn, lookout.reason)
        end
        lookout.wanted_at = seconds()
        local answered_at = lookout.answered_at
        if answered_at and seconds() > math.max(answered_at, began) + lookout.patience_s then
            return give_up(txn, "No replica of " .. name .. " accepts connections.\n")
        end
        core.msleep(PAUSE_MS)
    end
    if lookout.address then
        txn:set_var("txn.replica", lookout.address)
    end
end

core.register_action("wait_for_replica", { "http-req" }, wait_for_replica)
