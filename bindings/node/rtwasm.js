// The C API for Node, with koffi. Everything is declared from ../api.json: functions by their types, structs as buffers whose fields are
// at the offsets that the description gives. A binding for another language can do the same.
//
// koffi calls C on a stack of its own, where the library runs no guest (RTW_ERR_STACK_SIZE). So guests are called by a queue worker, a
// thread of the library's: calls return promises, the event loop goes on, and a host function of JavaScript runs when it comes round.
"use strict";
const koffi = require("koffi");
const api = require("../api.json");

const libraries = {
    rtwasm: koffi.load(process.env.RTWASM_LIBRARY || "librtwasm.so.0.1"),
    rtwasm_compiler: null, // loaded when it is first needed
};
const described = (list, name) => {
    const found = api[list].find((entry) => entry.name === name);
    if (!found) throw new Error(`the API has no ${name}`);
    return found;
};

// ---- functions

const scalars = { rtw_status_t: "int32_t", float: "float", double: "double", int: "int", void: "void" };

function koffiType(type) {
    if (type === "const char *") return "str";
    if (type.endsWith("*") || api.callbacks.some((callback) => callback.name === type)) return "void *";
    return scalars[type] || type;
}

const functions = new Map();

/** A function of the library, by its name. */
function c(name) {
    if (!functions.has(name)) {
        const { library, returns, arguments: parameters } = described("functions", name);
        libraries[library] ??= koffi.load(process.env.RTWASM_COMPILER_LIBRARY || "librtwasm_compiler.so.0.1");
        functions.set(name, libraries[library].func(name, koffiType(returns), parameters.map((parameter) => koffiType(parameter.type))));
    }
    return functions.get(name);
}

const callbackTypes = new Map();

/** A JavaScript function as a callback of one of the API's types. It stays until `koffi.unregister`. */
function callback(type, func) {
    if (!callbackTypes.has(type)) {
        const { returns, arguments: parameters } = described("callbacks", type);
        callbackTypes.set(type, koffi.proto(type, koffiType(returns), parameters.map((parameter) => koffiType(parameter.type))));
    }
    return koffi.register(func, koffi.pointer(callbackTypes.get(type)));
}

// ---- structs

const readers = {
    uint8_t: "getUint8", uint16_t: "getUint16",
    int32_t: "getInt32", rtw_status_t: "getInt32", uint32_t: "getUint32", int64_t: "getBigInt64", uint64_t: "getBigUint64",
    size_t: "getBigUint64", float: "getFloat32", double: "getFloat64",
};

/** A struct of the API, or an array of them, in a buffer. With an `_init` function it has its defaults. */
class Struct {
    constructor(name, count = 1) {
        this.description = described("structs", name);
        this.buffer = Buffer.alloc(this.description.size * count);
        if (this.description.init) c(this.description.init)(this.buffer, this.description.size);
    }

    field(name, index) {
        const field = this.description.fields.find((one) => one.name === name);
        if (!field) throw new Error(`${this.description.name} has no ${name}`);
        return { ...field, at: field.offset + index * this.description.size, view: new DataView(this.buffer.buffer, this.buffer.byteOffset) };
    }

    get(name, index = 0) {
        const { type, at, view, size } = this.field(name, index);
        if (type === "char") return this.buffer.subarray(at, at + size).toString().split("\0")[0];
        if (api.structs.some((struct) => struct.name === type)) {
            const part = Object.create(Struct.prototype);
            return Object.assign(part, { description: described("structs", type), buffer: this.buffer.subarray(at, at + size) });
        }
        const value = view[readers[type.endsWith("*") ? "uint64_t" : type]](at, true);
        return typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER && !type.endsWith("*") ? Number(value) : value;
    }

    /** Sets a field; a pointer to an address, to another buffer, or to a handle. */
    set(name, value, index = 0) {
        const { type, at, view } = this.field(name, index);
        if (type.endsWith("*")) return view.setBigUint64(at, Buffer.isBuffer(value) ? koffi.address(value) : BigInt(value), true);
        const write = readers[type].replace("get", "set");
        return view[write](at, write.includes("Big") ? BigInt(value) : value, true);
    }

    with(fields) {
        for (const [name, value] of Object.entries(fields)) this.set(name, value);
        return this;
    }
}

// ---- errors

class RtwError extends Error {
    constructor(status, message) {
        super(`${message || c("rtw_status_string")(status)} (${c("rtw_status_name")(status)})`);
        this.status = status;
    }
}

let pending = null; // the exception of a host function, until the call's status arrives

function check(status, message) {
    if (status === 0) return;
    const raised = pending;
    pending = null;
    throw raised ? raised.exception : new RtwError(status, message);
}

/** Calls a function whose last argument is an rtw_error_t. */
function call(name, ...parameters) {
    const error = new Struct("rtw_error_t");
    check(c(name)(...parameters, error.buffer), error.get("message"));
}

/** Calls a function that creates a handle; returns the handle. */
function create(name, ...parameters) {
    const out = Buffer.alloc(8);
    call(name, ...parameters, out);
    return out.readBigUInt64LE();
}

// ---- guests

/** Compiles WebAssembly to an artifact, with the compiler's library. */
function compile(source) {
    const [module, out, length, error] = [Buffer.from(source), Buffer.alloc(8), Buffer.alloc(8), new Struct("rtw_error_t")];
    const status = c("rtw_compile")(module, module.length, null, out, length, error.buffer);
    check(status, error.get("message"));
    const size = Number(length.readBigUInt64LE());
    const artifact = Buffer.from(Buffer.from(koffi.view(out.readBigUInt64LE(), size)));
    c("rtw_compile_free")(out.readBigUInt64LE(), size);
    return artifact;
}

/** Adds a host function of JavaScript to a list of imports. An exception in it ends the guest's call, and is what its promise is rejected with. */
function hostFunction(imports, module, name, signature, func) {
    const [parameters, results] = signature.split("->").map((part) => part.match(/\w+/g) ?? []);
    const count = Math.max(parameters.length, results.length);
    const entered = callback("rtw_host_func_t", (_userData, _instance, values) => {
        try {
            const place = Object.assign(Object.create(Struct.prototype), {
                description: described("structs", "rtw_value_t"), buffer: Buffer.from(koffi.view(values, 16 * Math.max(count, 1))),
            });
            const returned = [func(...parameters.map((type, index) => place.get(type, index)))].flat();
            results.forEach((type, index) => place.set(type, returned[index], index));
            return 0;
        } catch (exception) {
            pending = { exception };
            return 1;
        }
    });
    call("rtw_imports_func", imports, module, name, signature, entered, null, null, 0);
}

/** Starts a queue worker, which calls guests. */
function startQueue(runtime) {
    const kind = api.enums.find((one) => one.name === "WorkerKind").values.find((one) => one.short === "QUEUE").value;
    const worker = create("rtw_worker_create", runtime, new Struct("rtw_worker_config_t").with({ kind }).buffer);
    call("rtw_worker_start", worker);
    return worker;
}

/** Looks a function up, and returns an asynchronous function that calls it on a worker's thread. */
function lookUp(worker, instance, name, signature) {
    const [parameters, results] = signature.split("->").map((part) => part.match(/\w+/g) ?? []);
    const handle = create("rtw_instance_func", instance, name, signature);
    const count = Math.max(parameters.length, results.length);
    const invoke = async (...given) => {
        if (given.length !== parameters.length) throw new TypeError(`${name} takes ${parameters.length} arguments`);
        const values = new Struct("rtw_value_t", Math.max(count, 1));
        parameters.forEach((type, index) => values.set(type, given[index], index));
        check(await later("rtw_worker_invoke", worker, handle, values.buffer, count));
        const found = results.map((type, index) => values.get(type, index));
        return found.length > 1 ? found : found[0];
    };
    return Object.assign(invoke, { handle });
}

/** Calls a function that waits, on a thread of koffi's. */
function later(name, ...parameters) {
    return new Promise((resolve, reject) => {
        c(name).async(...parameters, (error, result) => (error ? reject(error) : resolve(result)));
    });
}

/** Bytes of the guest's memory, not copied. They are gone after a reset, or when the instance is destroyed. */
function memory(instance, offset, length) {
    const place = c("rtw_instance_memory_at")(instance, BigInt(offset), BigInt(length));
    if (!place) throw new RangeError(`${length} bytes at ${offset} are not in the guest's memory`);
    return koffi.view(place, length);
}

module.exports = { api, c, call, callback, check, compile, create, hostFunction, koffi, later, lookUp, memory, RtwError, startQueue, Struct };
