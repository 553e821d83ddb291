(module (import "env" "held" (global (mut funcref))))
