(module
  (func (export "nothing"))
)
