;; The smallest guests there are: what is timed is the way in and out.
(module
  (import "host" "nop" (func $nop))
  (memory (export "memory") 1 1)
  (func (export "empty"))
  (func (export "add") (param i32 i32) (result i32)
    local.get 0
    local.get 1
    i32.add)
  (func (export "call_host")
    call $nop))
