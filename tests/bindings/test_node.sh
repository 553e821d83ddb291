#!/bin/sh
# The example for Node. koffi comes from npm's registry in the version that the lock names, and ships its binaries.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/bindings-node
. "$root/tests/lib.sh"
cd "$root" || exit 1
RTWASM_LIBRARY=$(realpath "$RTWASM_LIBDIR/librtwasm.so")
RTWASM_COMPILER_LIBRARY=$(realpath "$(dirname "$RTWASM")/librtwasm_compiler.so")
export RTWASM_LIBRARY RTWASM_COMPILER_LIBRARY
modules=$root/target/node

locked() { # locked FILE: each package has a hash that npm compares it with
    node -e 'const { packages } = JSON.parse(require("fs").readFileSync(process.argv[1]));
        const open = Object.entries(packages).filter(([name, one]) => name && !/^sha512-/.test(one.integrity)).map(([name]) => name);
        if (open.length || Object.keys(packages).length < 2) { console.log(`without a hash: ${open}`); process.exit(1); }' "$1"
}
skipped() { # skipped WHY: the rest is not tested here
    skip "the example for Node: $1"
    ok "the example for Node is skipped by name"
    finish
    exit
}
command -v node >/dev/null || skipped "there is no node"
check "every package has its hash in the lock" locked bindings/node/package-lock.json
sed '0,/"integrity": "sha512/s//"integrity": "sha1/' bindings/node/package-lock.json >"$scratch/open.json"
refuses "twin: one without is found" "without a hash: node_modules/" locked "$scratch/open.json"

if ! cmp -s "$modules/package-lock.json" bindings/node/package-lock.json; then
    command -v npm >/dev/null || skipped "there is no npm"
    rm -rf "$modules"
    mkdir -p "$modules"
    cp bindings/node/package.json bindings/node/package-lock.json "$modules/"
    if ! npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund --fetch-retries 1 >"$scratch/npm.log" 2>&1; then
        cat "$scratch/npm.log"
        rm -rf "$modules"
        grep -q EINTEGRITY "$scratch/npm.log" || skipped "npm's registry did not answer"
        fail "what the registry has is what the lock names"
    fi
fi
NODE_PATH=$modules/node_modules
export NODE_PATH

expected="sample 127 is 0.5
the guest asked, and got 41
the call ended: JavaScript does not like -1
100 periods; the event loop went on: true"
example() {
    timeout 120 node bindings/node/gain.js >"$scratch/gain.out" 2>&1 || { cat "$scratch/gain.out"; return 1; }
    [ "$(head -n 4 "$scratch/gain.out")" = "$expected" ] && grep -Eq '^median response [0-9.]+ us$' "$scratch/gain.out" || { cat "$scratch/gain.out"; return 1; }
}
check "the example prints what it should, and ends" example

cat >"$scratch/more.js" <<'JS'
const rtwasm = require(process.argv[2]);
const { c, compile, create, lookUp, memory, startQueue, Struct } = rtwasm;
const assert = require("assert");
(async () => {
    const runtime = create("rtw_runtime_create", null);
    assert.match(c("rtw_version_string")(), /^rtwasm 0\.1\./);
    assert.throws(() => compile("(module (func (result i32)))"), /RTW_ERR_WASM/);
    assert.throws(() => c("rtw_planted"), /the API has no rtw_planted/);
    const artifact = compile(`(module (memory (export "memory") 1)
        (func (export "swap") (param i32 i64 f64) (result f64 i64 i32) (local.get 2) (local.get 1) (local.get 0))
        (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))`);
    const instance = create("rtw_instance_create", create("rtw_module_load", runtime, artifact, artifact.length), null, null);
    const queue = startQueue(runtime);
    assert.throws(() => lookUp(queue, instance, "absent", "()->()"), /RTW_ERR_NO_EXPORT/);
    const swap = lookUp(queue, instance, "swap", "(i32,i64,f64)->(f64,i64,i32)");
    assert.deepStrictEqual(await swap(-7, 2n ** 62n, 0.25), [0.25, 2n ** 62n, -7]);
    const divide = lookUp(queue, instance, "divide", "(i32)->(i32)");
    assert.strictEqual(await divide(1), 1);
    await assert.rejects(divide(0), { status: -605 });
    const fault = new Struct("rtw_fault_t");
    assert.strictEqual(c("rtw_instance_fault")(instance, fault.buffer, null), 0);
    assert.strictEqual(fault.get("function_index"), 1);
    assert.throws(() => memory(instance, 65536, 1), RangeError);
    c("rtw_worker_destroy")(queue);
    console.log("all of it");
})().catch((exception) => { console.error(exception); process.exitCode = 1; });
JS
more() { timeout 120 node "$scratch/more.js" "$root/bindings/node/rtwasm.js"; }
check "values, traps and errors reach JavaScript" more
sed 's/status: -605/status: -604/' "$scratch/more.js" >"$scratch/planted.js"
refuses "twin: another status is found" "-605" timeout 120 node "$scratch/planted.js" "$root/bindings/node/rtwasm.js"

# --- the program that docs/bindings.md shows

shown() { # shown NAME: the programs of a page are there, and so is the guest that they load
    python3 tests/docs/check_docs.py programs README.md "$scratch" &&
        python3 tests/docs/check_docs.py programs docs/bindings.md "$scratch" | grep -Fx "$1" &&
        "$RTWASM" compile -q "$scratch/gain.wat" -o "$scratch/gain.rtw"
}
check "the page shows a program" shown gain.js
first() { (cd "$scratch" && NODE_PATH=$NODE_PATH:$root/bindings timeout 120 node gain.js) | grep -Fx 0.5; }
check "the page's program runs, and ends" first

finish
