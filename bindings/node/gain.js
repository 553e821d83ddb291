// Runs a guest, gives it a function of JavaScript, and lets a worker keep a period while the event loop goes on.
"use strict";
const { c, call, check, compile, create, hostFunction, later, lookUp, memory, startQueue, Struct } = require("./rtwasm.js");

const source = `(module
  (import "env" "report" (func $report (param i32 f32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "gain") (param $frames i32) (param $factor f32) (local $at i32)
    (local.set $frames (i32.shl (local.get $frames) (i32.const 2)))
    (loop $next
      (f32.store (local.get $at) (f32.mul (f32.load (local.get $at)) (local.get $factor)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $frames)))))
  (func (export "ask") (param i32) (result i32) (call $report (local.get 0) (f32.const 0.5))))`;

async function main() {
    const runtime = create("rtw_runtime_create", null);
    const artifact = compile(source);
    const module = create("rtw_module_load", runtime, artifact, artifact.length);
    const imports = create("rtw_imports_create");
    hostFunction(imports, "env", "report", "(i32,f32)->(i32)", (number, share) => {
        if (number < 0) throw new Error(`JavaScript does not like ${number}`);
        return number * 10 + share * 2;
    });
    const instance = create("rtw_instance_create", module, imports, null);

    const queue = startQueue(runtime);
    const gain = lookUp(queue, instance, "gain", "(i32,f32)->()");
    const samples = new Float32Array(memory(instance, 0, 128 * 4));
    samples.fill(1);
    await gain(128, 0.5);
    console.log(`sample 127 is ${samples[127]}`);

    const ask = lookUp(queue, instance, "ask", "(i32)->(i32)");
    console.log(`the guest asked, and got ${await ask(4)}`);
    try {
        await ask(-1);
    } catch (exception) {
        console.log(`the call ended: ${exception.message}`);
    }
    call("rtw_instance_reset", instance);

    // A periodic worker needs neither Node nor its event loop, unless its guest calls JavaScript.
    const values = new Struct("rtw_value_t", 2);
    values.set("i32", 128, 0);
    values.set("f32", 0.5, 1);
    const config = new Struct("rtw_worker_config_t").with({
        period_ns: 1000000, period_limit: 100, func: gain.handle, values: values.buffer, value_count: 2,
    });
    const worker = create("rtw_worker_create", runtime, config.buffer);
    call("rtw_worker_start", worker);
    let turns = 0;
    let running = true;
    const turn = () => { turns += 1; if (running) setImmediate(turn); };
    turn();
    check(await later("rtw_worker_join", worker, 2n ** 64n - 1n));
    running = false;
    const stats = new Struct("rtw_worker_stats_t");
    c("rtw_worker_stats")(worker, stats.buffer);
    console.log(`${stats.get("ticks") + stats.get("skipped")} periods; the event loop went on: ${turns > 1}`);
    console.log(`median response ${(stats.get("response").get("p50_ns") / 1000).toFixed(1)} us`);

    for (const one of [worker, queue]) c("rtw_worker_destroy")(one);
    for (const func of [gain, ask]) c("rtw_func_destroy")(func.handle);
    c("rtw_instance_destroy")(instance);
    c("rtw_imports_destroy")(imports);
    c("rtw_module_destroy")(module);
    c("rtw_runtime_destroy")(runtime);
}

main().catch((exception) => {
    console.error(exception);
    process.exitCode = 1;
});
