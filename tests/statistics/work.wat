;; Takes as long as it is told: the argument is how often a loop runs.
(module
  (func (export "work") (param $rounds i32) (result i32) (local $state i32)
    (local.set $state (i32.const 1))
    (loop $again
      (local.set $state (i32.mul (i32.add (local.get $state) (local.get $rounds)) (i32.const 1664525)))
      (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (local.get $state))
  (func (export "nothing"))
  (func (export "trap") (unreachable)))
