# What the budget guard is measured with.
KERNELS := gain gain_simd biquad fir128 fft1024 matmul16 pid64 chase empty_loop recursion
$(foreach kernel,$(KERNELS),$(eval HEADERS_$(kernel) := kernels/kernel.h))
# Pointers walk as they are written, not rewritten into one index and several bases, which no constant offset folds into.
$(foreach kernel,$(KERNELS),$(eval CFLAGS_$(kernel) := -mllvm -disable-lsr))
# One by one is what it says.
CFLAGS_gain += -fno-slp-vectorize
