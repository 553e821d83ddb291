# %% First steps with rtwasm in Python
# A notebook in the form that Jupyter and editors know: `# %%` begins a cell. It needs numpy, pandas, matplotlib, and the compiler.
import numpy as np

import rtwasm

print(rtwasm.version())

# %% A guest: WebAssembly, compiled once
# The text is compiled here; a `.wasm` file's bytes would do as well.
artifact = rtwasm.compile("""
(module
  (memory (export "memory") 1)
  (func (export "gain") (param $frames i32) (param $factor f32) (local $at i32)
    (local.set $frames (i32.shl (local.get $frames) (i32.const 2)))
    (loop $next
      (f32.store (local.get $at) (f32.mul (f32.load (local.get $at)) (local.get $factor)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $frames))))))
""")
runtime = rtwasm.Runtime()
instance = runtime.load(artifact).instance(budget_ns=50_000_000)
gain = instance.func("gain")

# %% Its memory as an array
# No copy: the guest and numpy see the same bytes.
samples = instance.memory().array("f4", offset=0, count=128)
samples[:] = np.sin(np.linspace(0, 2 * np.pi, 128))
before = samples.copy()
gain(128, 0.5)
assert np.allclose(samples, before * np.float32(0.5))

# %% How long the calls took
for _ in range(1000):
    gain(128, 1.0)
print(gain.stats()["call"])
table = rtwasm.frame({"gain": gain})
print(table[["subject", "count", "p50_ns", "p99_ns", "max_ns"]])

# %% A loop that keeps its time
# The worker calls the guest every millisecond on a thread of the library's own, while Python is slow.
worker = rtwasm.Worker.periodic(runtime, gain, [128, 0.999], period_ns=1_000_000, period_limit=200, name="gain-loop")
worker.start()
work = sum(n * n for n in range(300_000))
worker.join()
slow = worker.stats()
print(f"{slow['ticks']} steps, {slow['misses']} misses; response p99.9 {slow['response']['p999_ns'] / 1000:.0f} us")

# %% Figures
rtwasm.plot({"loop": worker}, "response.png")
worker.export(rtwasm.Export.HTML, "loop.html", name="loop")

# %% What went wrong, if something did
try:
    gain(100_000, 1.0)  # more than the memory has
except rtwasm.Trap as trap:
    print(trap)
del samples  # a reset would free the memory under the array, and is refused while there is one
instance.reset()
gain(128, 0.5)
