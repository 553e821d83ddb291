;; What budgets are for: every way to run for ever, ways to fail, and work whose result a host can check.
(module $spin
  (import "env" "nothing" (func $nothing))
  (import "env" "call_again" (func $call_again))
  (import "env" "call_work" (func $call_work))
  (import "env" "refuse" (func $refuse))
  (import "env" "go_on" (func $go_on (result i32)))
  (type $turn (func (param i32) (result i32)))
  (memory (export "memory") 2 2)
  (table 2 2 funcref)
  (elem (i32.const 0) $ping $pong)

  (func $empty (export "empty")
    (loop $again (br $again)))
  ;; So many loops that the compiler makes something else of them.
  (func $crowded (export "crowded_loop") (local i32)
    ROW(600, (loop (br_if 0 (local.get 0))))
    (loop $again (br $again)))
  (func $memory (export "memory_loop") (local $at i32)
    (loop $again
      (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 4)) (i32.const 0x1fffc)))
      (br $again)))
  (func $nested (export "nested_loops") (local $i i32) (local $j i32) (local $k i32)
    (loop $outer
      (local.set $j (i32.const 100))
      (loop $middle
        (local.set $k (i32.const 100))
        (loop $inner
          (br_if $inner (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
        (br_if $middle (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
      (br $outer)))

  ;; Around loops of few known turns, which have no poll.
  (func (export "counted_loops") (local $i i32)
    (loop $again
      (local.set $i (i32.const 0))
      (loop $turn
        ROW(50, (i32.store (i32.const 8) (local.get $i)))
        (br_if $turn (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))
      (br $again)))
  ;; As such a loop, but the counter never meets its end, or starts anew before it.
  (func (export "missed_end") (local $i i32)
    (local.set $i (i32.const 0))
    (loop $turn
      ROW(50, (i32.store (i32.const 8) (local.get $i)))
      (br_if $turn (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 2))) (i32.const 7)))))
  (func (export "counter_set_back") (local $i i32)
    (local.set $i (i32.const 0))
    (loop $turn
      ROW(50, (i32.store (i32.const 8) (local.get $i)))
      (if (i32.eq (local.get $i) (i32.const 50)) (then (local.set $i (i32.const 0))))
      (br_if $turn (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  ;; No turn runs the loop inside, nor passes its poll.
  (func (export "loop_passed_over") (local $never i32)
    (loop $again
      (if (local.get $never) (then (loop $inner (br_if $inner (local.get $never)))))
      (br $again)))

  ;; Recursion between two functions, in a loop.
  (func $even (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else (call $odd (i32.sub (local.get 0) (i32.const 1))))))
  (func $odd (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 0))
      (else (call $even (i32.sub (local.get 0) (i32.const 1))))))
  (func $calls (export "call_loop")
    (loop $again
      (drop (call $even (i32.const 50)))
      (br $again)))
  ;; 2^60 calls, no loop, and never deeper than 60.
  (func $tree (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else
        (i32.add (call $tree (i32.sub (local.get 0) (i32.const 1)))
                 (call $tree (i32.sub (local.get 0) (i32.const 1)))))))
  (func (export "tree")
    (drop (call $tree (i32.const 60))))

  ;; Tail calls, direct and through the table.
  (func $tail (export "tail_calls")
    (return_call $tail_back))
  (func $tail_back
    (return_call $tail))
  (func $ping (type $turn)
    (return_call_indirect (type $turn) (local.get 0) (i32.const 1)))
  (func $pong (type $turn)
    (return_call_indirect (type $turn) (local.get 0) (i32.const 0)))
  (func (export "indirect_tail_calls")
    (drop (call $ping (i32.const 7))))

  (func (export "host_loop")
    (loop $again
      (call $nothing)
      (br $again)))
  (func (export "bulk_loop")
    (loop $again
      (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536))
      (br $again)))
  ;; The host calls `empty` on this instance.
  (func (export "host_calls_again")
    (call $call_again))

  ;; As long as the host wants.
  (func (export "wait_for_host")
    (loop $again
      (br_if $again (call $go_on))))
  ;; First the host, then polls.
  (func (export "work_after_host") (param i32 i32) (result i32)
    (call $nothing)
    (call $work (local.get 0) (local.get 1)))
  (func (export "spin_after_host")
    (call $nothing)
    (call $empty))

  ;; The host calls `nothing_much` on this instance.
  (func (export "host_calls_work")
    (call $call_work))
  (func (export "nothing_much"))

  (func $trap (export "trap")
    (unreachable))
  (func (export "host_error")
    (call $refuse))

  ;; `turns` of xorshift that also go through memory. The host knows the answer.
  (func $work (export "work") (param $turns i32) (param $seed i32) (result i32) (local $at i32)
    (loop $clear
      (v128.store (local.get $at) (v128.const i64x2 0 0))
      (br_if $clear (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const 1024))))
    (if (local.get $turns) (then
      (loop $again
        (local.set $seed (i32.xor (local.get $seed) (i32.shl (local.get $seed) (i32.const 13))))
        (local.set $seed (i32.xor (local.get $seed) (i32.shr_u (local.get $seed) (i32.const 17))))
        (local.set $seed (i32.xor (local.get $seed) (i32.shl (local.get $seed) (i32.const 5))))
        (local.set $at (i32.and (local.get $seed) (i32.const 0x3fc)))
        (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (local.get $seed)))
        (local.set $seed (i32.xor (local.get $seed) (i32.load (local.get $at))))
        (br_if $again (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))))
    (local.get $seed)))
