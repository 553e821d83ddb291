// Runs a program of Faust in Node's engine with the schedule of host.c: node run.js ADDON MODULE OUTPUT. Reads the program's JSON by itself.
"use strict";
const fs = require("fs");
const [addon, path, output] = process.argv.slice(2);
const [BLOCK, BLOCKS] = [256, 40];
const FRAMES = BLOCK * BLOCKS;

const library = { exports: {} };
process.dlopen(library, require("path").resolve(addon));
// Faust writes an underscore before some names.
const env = new Proxy({}, { get: (_, name) => library.exports[name.replace(/^_/, "")] });
const module_ = new WebAssembly.Module(fs.readFileSync(path));
const wanted = {};
for (const { name } of WebAssembly.Module.imports(module_)) wanted[name] = env[name];
const dsp = new WebAssembly.Instance(module_, { env: wanted }).exports;

const start = new Uint8Array(dsp.memory.buffer);
const text = Buffer.from(start.subarray(0, start.indexOf(0))).toString();
const program = JSON.parse(text);
const isDouble = program.compile_options.includes("-double");
const Sample = isDouble ? Float64Array : Float32Array;

const [params, meters] = [[], []];
const walk = (items) => {
    for (const item of items) {
        if (item.items) walk(item.items);
        else if (item.type.endsWith("bargraph")) meters.push(item.index);
        else params.push(item);
    }
};
walk(program.ui);

function valueAt(param, block) {
    if (param.type === "button") return block >= 1 && block < 8 ? 1 : 0;
    const [init, max] = [Number(param.init ?? 0), Number(param.max ?? 1)];
    if (block < 4) return init;
    const value = init + 0.25 * (Math.max(init, max) - init);
    return Number(param.step ?? 0) >= 1 || param.type === "checkbox" ? Math.floor(value) : value;
}

dsp.init(0, 48000);
const [ins, outs] = [Number(program.inputs), Number(program.outputs)];
const align = (at) => Math.ceil(at / 16) * 16;
const lists = align(Number(program.size));
const buffers = align(lists + 4 * (ins + outs));
const bytes = BLOCK * Sample.BYTES_PER_ELEMENT;
const missing = buffers + (ins + outs) * bytes - dsp.memory.buffer.byteLength;
if (missing > 0) dsp.memory.grow(Math.ceil(missing / 65536));
const pointers = new Uint32Array(dsp.memory.buffer, lists, ins + outs);
const views = [];
for (let n = 0; n < ins + outs; n++) {
    pointers[n] = buffers + n * bytes;
    views.push(new Sample(dsp.memory.buffer, pointers[n], BLOCK));
}

const inputs = [];
for (let channel = 0; channel < ins; channel++) {
    let state = channel + 1;
    inputs.push(Float32Array.from({ length: FRAMES }, (_, n) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return n === 0 ? 0.5 : (state >>> 8) / 16777216 * 0.25 - 0.125;
    }));
}
const result = Array.from({ length: outs }, () => new Float32Array(FRAMES));
for (let block = 0; block < BLOCKS; block++) {
    for (const param of params) {
        const value = valueAt(param, block);
        if (block === 0 || value !== valueAt(param, block - 1)) dsp.setParamValue(0, param.index, value);
    }
    inputs.forEach((input, n) => views[n].set(input.subarray(block * BLOCK, (block + 1) * BLOCK)));
    dsp.compute(0, BLOCK, lists, lists + 4 * ins);
    result.forEach((to, n) => to.set(views[ins + n], block * BLOCK));
}
const shown = Float32Array.from(meters, (index) => dsp.getParamValue(0, index));
fs.writeFileSync(output, Buffer.concat([...result, shown].map((one) => Buffer.from(one.buffer))));
