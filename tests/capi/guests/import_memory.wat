(module (import "env" "shared" (memory 1)))
