-- What LuaJIT knows of the API: declared.lua LIBRARY COMPILER, with rtwasm_api.lua in the path. Reads names, one a line ("function NAME
-- LIBRARY", "struct NAME", "field STRUCT NAME"), and prints what is declared of them; then all constants.
local ffi, api = require("ffi"), require("rtwasm_api")
local libraries = { rtwasm = ffi.load(arg[1]), rtwasm_compiler = ffi.load(arg[2]) }
for line in io.lines() do
    local kind, first, second = line:match("^(%S+) (%S+) ?(%S*)$")
    if kind == "function" then
        -- Only a function that is declared, and that the library exports, can be looked up.
        if pcall(function() return libraries[second][first] end) then print("function " .. first) end
    elseif kind == "struct" then
        local there, size = pcall(ffi.sizeof, first)
        if there then print(("struct %s %d"):format(first, size)) end
    elseif pcall(ffi.sizeof, first) then
        local offset = ffi.offsetof(first, second)
        if offset then print(("field %s.%s %d"):format(first, second, offset)) end
    end
end
for name, value in pairs(api) do
    if name:match("^RTW_") then print("constant " .. name .. " " .. (tostring(value):gsub("ULL", ""))) end
end
