(module (import "env" "rate" (global f32)))
