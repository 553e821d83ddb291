-- What the tests in Lua share: the library by LuaJIT's FFI, which reads the header's own declarations, and counted checks.
local ffi = require("ffi")
local shared = { passed = 0, failed = 0, err = nil }

-- Loads the library; `declarations` is a file with rtwasm.h without its preprocessor lines.
function shared.open(path, declarations)
  ffi.cdef(assert(io.open(declarations)):read("*a"))
  shared.err = ffi.new("rtw_error_t")
  return ffi.load(path)
end

function shared.check(good, what)
  print((good and "ok " or "FAIL ") .. what)
  if good then shared.passed = shared.passed + 1 else shared.failed = shared.failed + 1 end
end

-- Ends the test unless a [setup] function has succeeded.
function shared.must(status)
  if status ~= 0 then
    print("FAIL " .. status .. ": " .. ffi.string(shared.err.message))
    os.exit(1)
  end
end

-- One output handle of a [setup] function.
function shared.made(kind, make)
  local out = ffi.new(kind .. " *[1]")
  shared.must(make(out))
  return out[0]
end

function shared.finish()
  print(shared.passed .. " passed, " .. shared.failed .. " failed")
  os.exit(shared.failed == 0 and 0 or 1)
end

return shared
