(module (import "env" "hold" (func (param funcref))))
