-- rtwasm for LuaJIT: runs guests, with host functions in Lua, and workers of the library's own.
--
--     local rtwasm = require("rtwasm")
--     local instance = rtwasm.runtime():load("gain.rtw"):instance()
--     local gain = instance:func("gain", "(i32,f32)->()")
--     local samples = instance:memory("float", 0, 128)
--     gain(128, 0.5)
--
-- A function that fails raises a table with `status`, `message` and, of a call that ended early, `fault`. Library: RTWASM_LIBRARY, or
-- where the system looks; compiler: RTWASM_COMPILER_LIBRARY.
--
-- LuaJIT can be called on its own thread only. So a guest that imports a function of Lua is called by Lua alone: workers refuse it, and
-- there is no log, which comes on a thread of the library's.
local ffi, api = require("ffi"), require("rtwasm_api")
local rtwasm = { api = api, enums = api.enums }

local path = os.getenv("RTWASM_LIBRARY") or "librtwasm.so.0.1"
local lib = ffi.load(path)
do
    local found = lib.rtw_version()
    if math.floor(found / 256) ~= api.version[1] * 256 + api.version[2] then
        error(("%s is %s; this module needs version %d.%d"):format(path, ffi.string(lib.rtw_version_string()), api.version[1], api.version[2]))
    end
end

---- errors

local Error = {}
Error.__index = Error
function Error:__tostring() return ("%s (%s)"):format(self.message, ffi.string(lib.rtw_status_name(self.status))) end

local pending -- the error that a host function has raised, until the call's status arrives

local function raise(status, message, fault)
    if pending and (status == api.RTW_ERR_HOST or status == 1) then
        local raised = pending.error
        pending = nil
        error(raised, 0)
    end
    if not message or message == "" then message = ffi.string(lib.rtw_status_string(status)) end
    error(setmetatable({ status = status, message = message, fault = fault }, Error), 0)
end

-- Calls a function whose last argument is an rtw_error_t.
local function call(name, ...)
    local err = ffi.new("rtw_error_t")
    local arguments = { ... }
    arguments[select("#", ...) + 1] = err
    local status = lib[name](unpack(arguments, 1, select("#", ...) + 1))
    if status ~= 0 then raise(status, ffi.string(err.message)) end
end

-- A handle that the library creates, destroyed with the last reference to it.
local function create(name, handle, ...)
    local out = ffi.new(handle .. " *[1]")
    local arguments = { ... }
    local count = select("#", ...)
    arguments[count + 1] = out
    call(name, unpack(arguments, 1, count + 1))
    return ffi.gc(out[0], lib[handle:gsub("_t$", "_destroy")])
end

-- A struct with its defaults, and the fields of a table.
local function new(name, fields, library)
    local struct = ffi.new(name)
    ;(library or lib)[name:gsub("_t$", "_init_sized")](struct, ffi.sizeof(name))
    for field, value in pairs(fields or {}) do struct[field] = value end
    return struct
end

local function read(name, struct, handle)
    local out = new(struct)
    local status = lib[name](handle, out)
    if status ~= 0 then raise(status) end
    return out
end

---- values

local members = { i32 = "i32", i64 = "i64", f32 = "f32", f64 = "f64", v128 = "v128" }

local function types(listed)
    local found = {}
    for name in listed:gmatch("[^,%s]+") do
        found[#found + 1] = assert(members[name], name .. " is no type of WebAssembly")
    end
    return found
end

local function signature(text)
    local parameters, results = text:match("^%s*%(([^()]*)%)%s*%->%s*%(([^()]*)%)%s*$")
    if not parameters then error(("%q is no signature such as (i32,f32)->(f32)"):format(text)) end
    local found = { text = text, parameters = types(parameters), results = types(results) }
    found.count = math.max(#found.parameters, #found.results)
    return found
end

local function store(place, kind, value)
    if kind == "v128" then
        ffi.copy(place.v128, value, 16)
    elseif kind == "i32" then
        if type(value) ~= "number" or value % 1 ~= 0 or value < -2 ^ 31 or value >= 2 ^ 32 then error(tostring(value) .. " is no i32", 0) end
        place.i32 = value < 2 ^ 31 and value or value - 2 ^ 32
    elseif kind == "i64" then
        if type(value) == "number" and (value % 1 ~= 0 or value < -2 ^ 63 or value >= 2 ^ 63) then error(tostring(value) .. " is no i64", 0) end
        place.i64 = value
    else
        place[kind] = value
    end
end

local function fetch(place, kind)
    if kind == "v128" then return ffi.string(place.v128, 16) end
    return place[kind]
end

local function put(values, kinds, ...)
    if select("#", ...) ~= #kinds then error(("%d values, not %d"):format(#kinds, select("#", ...)), 0) end
    for n = 1, #kinds do store(values[n - 1], kinds[n], (select(n, ...))) end
end

local function get(values, kinds)
    local found = {}
    for n = 1, #kinds do found[n] = fetch(values[n - 1], kinds[n]) end
    return unpack(found, 1, #kinds)
end

---- runtimes, modules

local Runtime, Module, Imports, Instance, Func, Guest, Worker = {}, {}, {}, {}, {}, {}, {}
for _, class in ipairs({ Runtime, Module, Imports, Instance, Func, Guest, Worker }) do class.__index = class end

function rtwasm.version() return ffi.string(lib.rtw_version_string()) end

-- Threads of Lua are attached at their first call, unless attach_on_call = 0.
function rtwasm.runtime(config)
    local fields = { attach_on_call = 1 }
    for name, value in pairs(config or {}) do fields[name] = value end
    return setmetatable({ handle = create("rtw_runtime_create", "rtw_runtime_t", new("rtw_runtime_config_t", fields)) }, Runtime)
end

-- Loads a file; `load_bytes` loads a string.
function Runtime:load(file)
    return setmetatable({ handle = create("rtw_module_load_file", "rtw_module_t", self.handle, file), runtime = self }, Module)
end

function Runtime:load_bytes(bytes)
    return setmetatable({ handle = create("rtw_module_load", "rtw_module_t", self.handle, bytes, #bytes), runtime = self }, Module)
end

function Runtime:attach(config) call("rtw_thread_attach", self.handle, new("rtw_thread_config_t", config)) end
function Runtime:detach() call("rtw_thread_detach", self.handle) end

-- The type of an export, such as "(i32)->(i32)"; nil if there is none of that name.
function Module:type_of(name)
    local out = ffi.new("rtw_extern_t")
    for index = 0, tonumber(lib.rtw_module_export_count(self.handle)) - 1 do
        lib.rtw_module_export(self.handle, index, out)
        if ffi.string(out.name) == name then return ffi.string(out.ty) end
    end
end

function Module:instance(imports, config)
    local handle = create("rtw_instance_create", "rtw_instance_t", self.handle, imports and imports.handle, new("rtw_instance_config_t", config))
    return setmetatable({ handle = handle, module = self, imports = imports, calls_lua = imports ~= nil and imports.has_lua }, Instance)
end
jit.off(Module.instance) -- a start function may call Lua

---- imports

function rtwasm.imports()
    local callbacks, owner = {}, newproxy(true)
    -- Nothing calls them any more: each instance keeps its list.
    getmetatable(owner).__gc = function() for _, callback in ipairs(callbacks) do callback:free() end end
    return setmetatable({ handle = create("rtw_imports_create", "rtw_imports_t"), callbacks = callbacks, owner = owner }, Imports)
end

-- Adds a function of Lua. An error in it ends the guest's call, and is raised from the call of Lua that called the guest.
function Imports:func(module, name, type_text, func)
    local type_of = signature(type_text)
    local callback = ffi.cast("rtw_host_func_t", function(_, _, values)
        local good, raised = pcall(function() put(values, type_of.results, func(get(values, type_of.parameters))) end)
        if good then return 0 end
        pending = { error = raised }
        return 1
    end)
    self.callbacks[#self.callbacks + 1] = callback
    self.has_lua = true
    call("rtw_imports_func", self.handle, module, name, type_text, callback, nil, nil, 0)
end

function Imports:libm() call("rtw_imports_libm", self.handle) end
function Imports:wasi(config) call("rtw_imports_wasi", self.handle, new("rtw_wasi_config_t", config)) end
function Imports:stubs(kind) call("rtw_imports_stubs", self.handle, kind) end

---- instances

-- Without a type the function has the one that the module says.
function Instance:func(name, type_text)
    local handle = create("rtw_instance_func", "rtw_func_t", self.handle, name, type_text)
    local type_of = signature(type_text or self.module:type_of(name))
    return setmetatable({ handle = handle, instance = self, name = name, type = type_of, values = ffi.new("rtw_value_t[?]", math.max(type_of.count, 1)) }, Func)
end

-- A pointer to `count` elements at `offset` of the guest's memory: the memory itself, not a copy. It is valid until the instance is
-- reset or collected, which Lua cannot see: get it again after a reset, and keep the instance as long as the pointer.
function Instance:memory(element, offset, count)
    local place = lib.rtw_instance_memory_at(self.handle, offset, count * ffi.sizeof(element))
    if place == nil then error(("%d of %s at %d are not in the guest's memory"):format(count, element, offset), 2) end
    return ffi.cast(element .. " *", place)
end

function Instance:prepare() call("rtw_instance_prepare", self.handle, nil, nil) end
function Instance:reset() call("rtw_instance_reset", self.handle) end
function Instance:stats() return read("rtw_instance_stats", "rtw_func_stats_t", self.handle) end
jit.off(Instance.prepare)
jit.off(Instance.reset)

-- The fault that ended the last call; nil if there is none.
function Instance:fault()
    local fault = new("rtw_fault_t")
    if lib.rtw_instance_fault(self.handle, fault, nil) == 0 then return fault end
end

local function fail(func, status)
    local fault = status <= -600 and status > -700 and func.instance:fault() or nil
    raise(status, fault and ffi.string(fault.message), fault)
end

-- Two ways to call: what calls Lua back must not be compiled by LuaJIT.
local function invoke(func, ...)
    local type_of, values = func.type, func.values
    put(values, type_of.parameters, ...)
    local status = lib.rtw_invoke(func.handle, values, type_of.count)
    if status ~= 0 then fail(func, status) end
    return get(values, type_of.results)
end

local function invoke_calling_lua(func, ...)
    local type_of = func.type
    -- A nested call must find values of its own.
    local values = ffi.new("rtw_value_t[?]", math.max(type_of.count, 1))
    put(values, type_of.parameters, ...)
    local status = lib.rtw_invoke(func.handle, values, type_of.count)
    if status ~= 0 then fail(func, status) end
    return get(values, type_of.results)
end
jit.off(invoke_calling_lua)

function Func:__call(...)
    if self.instance.calls_lua then return invoke_calling_lua(self, ...) end
    return invoke(self, ...)
end

function Func:stats() return read("rtw_func_stats", "rtw_func_stats_t", self.handle) end

---- guests for audio and control

local function field_text(struct, field) return ffi.string(struct[field]) end

-- A parameter or a meter as a table.
local function described(name, module, index)
    local out = new("rtw_guest_param_t")
    local status = lib[name](module, index, out)
    if status ~= 0 then raise(status) end
    local param = { index = index, min = out.min_value, max = out.max_value, default = out.default_value, step = out.step, flags = out.flags }
    for _, field in ipairs({ "id", "name", "unit", "group", "labels", "meta" }) do param[field] = field_text(out, field) end
    return param
end

-- What a module says of its guests: name, numbers of channels, and parameters and meters in lists, which have them by their ids as well.
function Module:describe()
    local info = read("rtw_guest_info", "rtw_guest_info_t", self.handle)
    local out = { name = field_text(info, "name"), meta = field_text(info, "meta"), flags = info.flags, inputs = info.input_count,
                  outputs = info.output_count, params = {}, meters = {} }
    for list, names in pairs({ params = { "rtw_guest_param", info.param_count }, meters = { "rtw_guest_meter", info.meter_count } }) do
        for index = 0, names[2] - 1 do
            local one = described(names[1], self.handle, index)
            out[list][index + 1], out[list][one.id] = one, one
        end
    end
    return out
end

-- The instance as a guest that the library drives. `config`: sample_rate, max_frames. Its state is made anew by `renew`, not by the
-- instance's reset.
function Instance:guest(config)
    local description = self.module:describe()
    local handle = create("rtw_guest_create", "rtw_guest_t", self.module.handle, self.handle, nil, new("rtw_guest_config_t", config))
    local inputs = ffi.new("const float *[?]", math.max(description.inputs, 1))
    local outputs = ffi.new("float *[?]", math.max(description.outputs, 1))
    return setmetatable({ handle = handle, instance = self, description = description, inputs = inputs, outputs = outputs }, Guest)
end

local function index_of(list, name)
    if type(name) == "number" then return name end
    return (list[name] or error(("there is no %s"):format(name), 3)).index
end

local function good(guest, status)
    if status ~= 0 then fail(guest, status) end
end

function Guest:prepare(repeats) call("rtw_guest_prepare", self.handle, repeats or 16) end

-- Computes a block: `inputs` and `outputs` are lists of pointers to floats, one a channel; false is silence, or is left out. `events` are
-- in the order of their frames: { frame = 3, param = "gain", value = 0.5 } or { frame = 3, midi = "\144\60\100" }.
function Guest:process(inputs, outputs, frames, events)
    for channel = 1, self.description.inputs do self.inputs[channel - 1] = inputs and inputs[channel] or nil end
    for channel = 1, self.description.outputs do self.outputs[channel - 1] = outputs and outputs[channel] or nil end
    local count = events and #events or 0
    local list = count > 0 and ffi.new("rtw_event_t[?]", count) or nil
    for index = 1, count do
        local event, place = events[index], list[index - 1]
        place.frame = event.frame
        if event.midi then
            if #event.midi < 1 or #event.midi > 8 then error("a MIDI message has 1 to 8 bytes", 2) end
            place.kind, place.index = api.RTW_EVENT_MIDI, #event.midi
            ffi.copy(place.data.midi, event.midi, #event.midi)
        else
            place.kind, place.index = api.RTW_EVENT_PARAM, index_of(self.description.params, event.param)
            place.data.value = event.value
        end
    end
    good(self, lib.rtw_guest_process(self.handle, self.inputs, self.outputs, frames, list, count))
end

function Guest:set(param, value) good(self, lib.rtw_guest_set(self.handle, index_of(self.description.params, param), value)) end
function Guest:get(param)
    local out = ffi.new("double[1]")
    good(self, lib.rtw_guest_get(self.handle, index_of(self.description.params, param), out))
    return out[0]
end
function Guest:meter(meter)
    local out = ffi.new("double[1]")
    good(self, lib.rtw_guest_read_meter(self.handle, index_of(self.description.meters, meter), out))
    return out[0]
end
function Guest:latency() return lib.rtw_guest_latency(self.handle) end
function Guest:reset() good(self, lib.rtw_guest_reset(self.handle)) end
function Guest:renew() call("rtw_guest_renew", self.handle) end
function Guest:set_budget(budget_ns) good(self, lib.rtw_guest_set_budget(self.handle, budget_ns)) end
function Guest:stats() return read("rtw_func_stats", "rtw_func_stats_t", lib.rtw_guest_func(self.handle)) end

-- The parameters and the guest's own state, as a string.
function Guest:save_state()
    local needed = ffi.new("size_t[1]")
    local status = lib.rtw_guest_save_state(self.handle, nil, 0, needed, nil)
    if status ~= 0 and status ~= api.RTW_ERR_LIMIT then raise(status) end
    local bytes = ffi.new("char[?]", needed[0])
    call("rtw_guest_save_state", self.handle, bytes, needed[0], needed)
    return ffi.string(bytes, needed[0])
end
function Guest:load_state(state) call("rtw_guest_load_state", self.handle, state, #state) end
-- They call the guest, which may call Lua.
for _, name in ipairs({ "prepare", "process", "reset", "renew", "save_state", "load_state" }) do jit.off(Guest[name]) end
jit.off(Instance.guest)

---- workers

local function refuse_lua(func)
    if func.instance.calls_lua then error("the guest calls Lua, which can run on its own thread only", 3) end
end

-- Calls a function every period_ns on a thread of the library's own, with the same values each time.
function Runtime:periodic(func, values, config)
    refuse_lua(func)
    local array = ffi.new("rtw_value_t[?]", math.max(func.type.count, 1))
    put(array, func.type.parameters, unpack(values, 1, #func.type.parameters))
    local fields = new("rtw_worker_config_t", config)
    fields.kind, fields.func, fields.values, fields.value_count = api.RTW_WORKER_PERIODIC, func.handle, array, func.type.count
    return setmetatable({ handle = create("rtw_worker_create", "rtw_worker_t", self.handle, fields), func = func }, Worker)
end

-- Runs what Lua hands it, on a thread of the library's own.
function Runtime:queue(config)
    local fields = new("rtw_worker_config_t", config)
    fields.kind = api.RTW_WORKER_QUEUE
    return setmetatable({ handle = create("rtw_worker_create", "rtw_worker_t", self.handle, fields) }, Worker)
end

function Worker:start() call("rtw_worker_start", self.handle) end

function Worker:stop()
    local status = lib.rtw_worker_stop(self.handle)
    if status ~= 0 then raise(status) end
end

-- Waits until it has stopped; raises what has ended the run.
function Worker:join(timeout_ns)
    local status = lib.rtw_worker_join(self.handle, timeout_ns or api.RTW_FOREVER)
    if status == 0 then status = read("rtw_worker_info", "rtw_worker_info_t", self.handle).ended_by end
    if status ~= 0 then raise(status) end
end

function Worker:invoke(func, ...)
    refuse_lua(func)
    put(func.values, func.type.parameters, ...)
    local status = lib.rtw_worker_invoke(self.handle, func.handle, func.values, func.type.count)
    if status ~= 0 then fail(func, status) end
    return get(func.values, func.type.results)
end

function Worker:stats() return read("rtw_worker_stats", "rtw_worker_stats_t", self.handle) end

---- the compiler

-- Compiles WebAssembly, in binary or text form, to an artifact.
function rtwasm.compile(source, options)
    local compiler = ffi.load(os.getenv("RTWASM_COMPILER_LIBRARY") or "librtwasm_compiler.so.0.1")
    local err, out, length = ffi.new("rtw_error_t"), ffi.new("void *[1]"), ffi.new("size_t[1]")
    local status = compiler.rtw_compile(source, #source, new("rtw_compile_options_t", options, compiler), out, length, err)
    if status ~= 0 then raise(status, ffi.string(err.message)) end
    local artifact = ffi.string(out[0], length[0])
    compiler.rtw_compile_free(out[0], length[0])
    return artifact
end

return rtwasm
