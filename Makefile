# rtwasm: what there is to do, a line or two each. `make demo` and `make test` set up all they need.

LIB       := target/release/librtwasm.so
ARCHIVE   := target/release/librtwasm.a
OBJCOPY   ?= objcopy
COMMAND   := target/tools/rtwasm
ARTIFACTS := target/artifacts
GUESTS    := $(patsubst guests/built/%.wasm,%,$(wildcard guests/built/*.wasm))
PROFILES  := standalone plugin
# A header for each noun of the API, in this order: a later one includes those before it that it uses.
HEADERS := status=src/status.rs,src/capi/error.rs value=src/capi/value.rs stats=src/capi/stats.rs,src/capi/interval.rs \
    runtime=src/capi/runtime.rs module=src/capi/module.rs imports=src/capi/imports.rs wasi=src/capi/wasi.rs \
    instance=src/capi/instance.rs,src/capi/prepare.rs thread=src/capi/thread.rs call=src/capi/call.rs table=src/capi/table.rs \
    global=src/capi/global.rs recorder=src/capi/recorder.rs slot=src/capi/slot/mod.rs guest=src/capi/guest.rs worker=src/capi/worker/mod.rs export=src/capi/export.rs \
    doctor=src/capi/doctor.rs
WAV       ?= assets/phrase.wav
DEMO      := target/demo

.PHONY: all lib command plugins artifacts examples demo test property fuzz spec test-loaded proofs faust-all soak exhausted jack-storm bench bench-rivals rivals-check ablation kernel-costs kernels crossings bench-check header layout api abidiff abi guests install uninstall \
        licences packages unit loom clean aarch64 aarch64-toolchain aarch64-lib aarch64-command aarch64-same test-aarch64 test-musl wheel FORCE
all: lib command artifacts examples

# Cargo does not optimise at link time when an rlib is among the crate types, and a call then costs twice as much: so the
# shipped libraries are built by name. The link is what a linker would make of the SONAME on installing.
# Less is inlined than by default: the library is smaller, and calls take the same instructions (make bench-check). Nothing is inlined
# where it is unlikely to run.
# The linker folds equal functions, if it can, and drops what prints backtraces, which this library never does.
# No path of the building machine goes into what is installed. The unit tests share the command's build.
CARGO_HOME ?= $(HOME)/.cargo
# A copy of the tree that names the original here uses the original's built dependencies.
REMAPPED ?= $(CURDIR)
# Not with +=: a target hands its flags on to those that it needs, which would add them again, and Cargo would build everything anew.
lib command unit property spec rivals-check aarch64-lib aarch64-command wheel ablation kernel-costs: \
    export RUSTFLAGS := $(strip $(RUSTFLAGS) --remap-path-prefix=$(CARGO_HOME)=cargo --remap-path-prefix=$(REMAPPED)=rtwasm)
LIB_FLAGS := -C llvm-args=-inlinehint-threshold=150 -C llvm-args=-inlinecold-threshold=0
LINKER    := -C linker=$(CURDIR)/packaging/linker.sh
lib: FORCE
	cargo rustc --locked --release --lib --crate-type cdylib,staticlib -- $(LIB_FLAGS) $(LINKER) $$(./packaging/folds.sh)
	ln -sf librtwasm.so target/release/librtwasm.so.0.1
	@LD='$(LD)' OBJCOPY='$(OBJCOPY)' AR='$(AR)' ./packaging/archive.sh target/release/deps/librtwasm.a $(ARCHIVE)

command: FORCE
	cargo build --locked --profile tools -p rtwasm-cli -p rtwasm-compiler-library
	ln -sf librtwasm_compiler.so target/tools/librtwasm_compiler.so.0.1

# The plug-in libraries, which `rtwasm lv2` puts into bundles. They need the headers of LV2 and LADSPA (Debian: lv2-dev, ladspa-sdk).
plugins: lib
	$(MAKE) -s -C plugins

# A newer command may write another envelope, so it makes the artifacts anew.
artifacts: $(foreach p,$(PROFILES),$(GUESTS:%=$(ARTIFACTS)/%.$(p).rtw))
$(COMMAND): | command
define artifact_rule
$(ARTIFACTS)/%.$(1).rtw: guests/built/%.wasm $(COMMAND)
	@mkdir -p $$(@D)
	$(COMMAND) compile --quiet --profile $(1) $$< -o $$@
endef
$(foreach p,$(PROFILES),$(eval $(call artifact_rule,$(p))))

EXAMPLES := minimal audio control-loop shared-buffer
examples: lib
	@for e in $(EXAMPLES); do $(MAKE) -s -C examples-c/$$e || exit 1; done

# aarch64 Linux, built on x86-64 with Debian's compiler and libraries, which are fetched below target/: the library, the guests'
# artifacts, the examples.
AARCH64        := target/aarch64
AARCH64_TRIPLE := aarch64-unknown-linux-gnu
AARCH64_LIBS   := $(AARCH64)/$(AARCH64_TRIPLE)/release
AARCH64_CPU    ?= baseline
AARCH64_ENV    := LINK_CC=aarch64-linux-gnu-gcc OBJCOPY=aarch64-linux-gnu-objcopy RUSTC=$(CURDIR)/$(AARCH64)/toolchain/rustc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
aarch64-toolchain: FORCE
	@./packaging/aarch64/toolchain.sh $(AARCH64)/toolchain
aarch64-lib: aarch64-toolchain
	$(AARCH64_ENV) cargo rustc --locked --release --lib --target $(AARCH64_TRIPLE) --target-dir $(AARCH64) --crate-type cdylib,staticlib \
	    -- $(LIB_FLAGS) $(LINKER)
	ln -sf librtwasm.so $(AARCH64_LIBS)/librtwasm.so.0.1
	@LINK_CC=aarch64-linux-gnu-gcc LD=aarch64-linux-gnu-ld OBJCOPY=aarch64-linux-gnu-objcopy AR=aarch64-linux-gnu-ar \
	    ./packaging/archive.sh $(AARCH64_LIBS)/deps/librtwasm.a $(AARCH64_LIBS)/librtwasm.a
aarch64-command: aarch64-toolchain
	$(AARCH64_ENV) cargo build --locked --profile tools -p rtwasm-cli -p rtwasm-compiler-library --target $(AARCH64_TRIPLE) --target-dir $(AARCH64)
aarch64: aarch64-lib command
	@mkdir -p $(AARCH64)/artifacts
	@for p in $(PROFILES); do for g in $(GUESTS); do $(COMMAND) compile --quiet --target $(AARCH64_TRIPLE) --cpu $(AARCH64_CPU) --profile $$p \
	    guests/built/$$g.wasm -o $(AARCH64)/artifacts/$$g.$$p.rtw || exit 1; done; done
	@for e in $(EXAMPLES); do $(MAKE) -s -C examples-c/$$e CC=aarch64-linux-gnu-gcc OUT=$(CURDIR)/$(AARCH64)/examples-c/$$e \
	    RTWASM_LIBS="-L$(CURDIR)/$(AARCH64_LIBS) -lrtwasm" || exit 1; done

# The library in an emulated aarch64 machine. SUITES: only these of tests/aarch64/suites.sh. RECORD=1 notes each suite's counts in
# tests/aarch64/result.txt.
test-aarch64: FORCE
	AARCH64_RESULT=$(if $(RECORD),$(CURDIR)/tests/aarch64/result.txt) ./tests/aarch64/test_aarch64.sh $(SUITES)

# The C API's tests in programs for musl, and the oldest glibc.
test-musl: lib command
	./tests/musl/test_musl.sh

# The compiler for aarch64, run by an emulator, makes the artifacts that the one here makes; the result is committed.
aarch64-same: aarch64-command command
	SAME_RESULT=$(CURDIR)/tests/aarch64/same.txt ./tests/aarch64/test_same.sh

demo: lib command artifacts examples
	./examples-c/demo.sh "$(WAV)" $(DEMO)

header: FORCE
	cargo run --locked -q -p rtwasm-headergen -- cbindgen.toml include/rtwasm.h src/capi/version.rs $(HEADERS)
	cargo run --locked -q -p rtwasm-headergen -- cbindgen-compiler.toml include/rtwasm_compiler.h compiler/src/capi.rs

# The committed layout of the API's structs, and the unit test that holds the library against it.
layout: header
	mkdir -p target/layout
	python3 tests/abi/layout.py probe include/rtwasm.h include/rtwasm_compiler.h > target/layout/probe.c
	$(CC) -std=c11 -Iinclude target/layout/probe.c -o target/layout/probe
	target/layout/probe > tests/abi/layout.txt
	python3 tests/abi/layout.py rust tests/abi/layout.txt $$(find src/capi -name '*.rs') > target/layout/layout.rs
	cp target/layout/layout.rs src/capi/layout.rs
	rustfmt --edition 2024 src/capi/layout.rs

# The API as data, and what the bindings declare: written from the headers and the layout.
api: layout
	python3 bindings/generate.py bindings

# Prints the changes of the ABI since the last commit, or since BASE.
abidiff:
	@./tests/abi/abidiff.sh $(or $(BASE),HEAD)

# Compares the code that the engine's patch releases generate; RELEASES: only these. The result is committed.
abi: lib command aarch64-lib
	./tests/aarch64/in_machine.sh tests/abi/releases.sh $(RELEASES)

# The licences of the packages in the binaries: packaging/THIRD-PARTY.txt, which is installed with them.
licences:
	./packaging/licences.py check
	./packaging/licences.py write > packaging/THIRD-PARTY.txt

guests: FORCE
	$(MAKE) -C guests

proofs: lib command
	./tests/proofs/run.sh

# Faults every second in both profiles; memory, threads and descriptors must stay as they are.
soak: lib command
	SOAK_MINUTES=$(or $(MINUTES),60) ./tests/budget/test_budget.sh soak

# JACK clients closed and servers killed in the middle of guests' calls, 50 times each; the counts are committed.
jack-storm: lib command
	./tests/hosts/test_hosts.sh storm

# All examples of Faust that Debian has, compared with Node's engine and some with g++; the result is committed.
faust-all: lib command
	./tests/faust/test_faust.sh all

# The wheels for Python, for glibc 2.28 and newer, in target/wheel/dist; what they need of the system is checked, and committed.
wheel: lib command
	WHEEL_LIB_FLAGS='$(LIB_FLAGS)' ./packaging/wheel.sh packaging/wheel.txt

# Generated modules with the guard and without it: N of them, from SEED; ONLY one, which goes to the file OUT as well. It is built
# beside the command, with the command's dependencies.
property: FORCE
	cargo build --locked --profile tools -p rtwasm-smith
	cargo build --locked --profile tools -p rtwasm-cli -p rtwasm-compiler-library -p rtwasm-property
	@PROPERTY_MODULES='$(N)' PROPERTY_SEED='$(SEED)' PROPERTY_ONLY='$(ONLY)' PROPERTY_OUT='$(OUT)' target/tools/rtwasm-property

# Artifacts that are changed along their structure, N of them from SEED; ONLY one, which goes to the file OUT as well. The loader has to
# give each the status that a second reading of the format gives.
fuzz: lib command
	@ONLY='$(ONLY)' OUT='$(OUT)' ./tests/artifact/fuzz.sh $(or $(N),20000) $(or $(SEED),1)

# The WebAssembly specification's tests, through the C ABI. ONLY: files with this in their name.
spec: FORCE
	cargo build --locked --profile tools -p rtwasm-cli -p rtwasm-compiler-library -p rtwasm-spec
	@$(if $(ONLY),SPEC_ONLY='$(ONLY)' )target/tools/rtwasm-spec $(LIB) target/tools/librtwasm_compiler.so tests/spec/floor.txt

bench: lib command
	cargo build --locked --profile bench-host -p rtwasm-bench
	ONLY='$(ONLY)' ./bench/run.sh
	@[ -n '$(ONLY)' ] || ./bench/rivals/run.sh

# Compares rtwasm with what else a C program could call: see bench/rivals/run.sh for what may be set. UPDATE=1 rewrites the committed
# figures and docs/performance.md, on a quiet machine.
bench-rivals: lib command
	cargo build --locked --profile bench-host -p rtwasm-bench --lib
	ROUNDS='$(ROUNDS)' OPTIONAL='$(OPTIONAL)' UPDATE='$(UPDATE)' ./bench/rivals/run.sh

# Runs the rivals shortly, for their results. The one in Rust is built beside the command, with the command's dependencies.
rivals-check: FORCE
	cargo build --locked --quiet --profile tools -p rtwasm-cli -p rtwasm-compiler-library -p rtwasm-bench --lib
	TYPED_FUNC=tools ./tests/rivals/test_rivals.sh

# Copies that leave something out, for comparisons: a rustc cfg for all packages, and a target folder of their own, so that no usual
# build is touched. The first build compiles all dependencies.
ABLATION := target/ablation

# Measures the cost of reading the floating-point environment in a call: compares the shipped library with a copy that does not read it.
ablation: lib command
	mkdir -p target/bench
	RUSTFLAGS="$$RUSTFLAGS --cfg ablation=\"float\"" cargo rustc --locked --release --lib --target-dir $(ABLATION) --crate-type cdylib,staticlib \
		-- $(LIB_FLAGS) $(LINKER) $$(./packaging/folds.sh)
	cp $(ABLATION)/release/librtwasm.so target/bench/without-float.so
	cp $(LIB) target/bench/shipped.so
	cp $(LIB) target/bench/shipped-twin.so
	@! cmp -s target/bench/shipped.so target/bench/without-float.so || { echo "the copy leaves nothing out"; exit 1; }
	$(CC) -std=gnu99 -D_GNU_SOURCE -O2 -Iinclude bench/ablation.c -o target/bench/ablation -ldl
	for p in $(PROFILES); do \
		$(COMMAND) compile --quiet --profile $$p bench/guests/calls.wat -o target/bench/calls-$$p.rtw && \
		python3 bench/ablation.py target/bench/ablation $$p target/bench/calls-$$p.rtw $(or $(N),24) \
			target/bench/shipped.so target/bench/without-float.so target/bench/shipped-twin.so || exit 1; \
	done

# Counts the cost of --deterministic and of the hidden exports in all kernels; the table is committed.
kernel-costs: lib command
	mkdir -p target/bench
	RUSTFLAGS="$$RUSTFLAGS --cfg ablation=\"hidden\"" cargo build --locked --profile tools -p rtwasm-cli --target-dir $(ABLATION)
	cp $(ABLATION)/tools/rtwasm target/bench/rtwasm-without-hidden
	@! cmp -s $(COMMAND) target/bench/rtwasm-without-hidden || { echo "the copy leaves nothing out"; exit 1; }
	./bench/kernel_costs.sh

# Times the kernels of guests/include/rtw_dsp.h and their plain forms beside native code and the stock engine; the table is committed.
kernels: lib command
	ROUNDS='$(ROUNDS)' ./bench/dsp/kernels.sh

# Counts what the way between guest and host costs, beside Wasmtime's own C API; with TIMES=1 measures it as well, on a quiet machine. The
# table is committed.
crossings: lib command
	cargo build --locked --profile bench-host -p rtwasm-bench
	TIMES='$(TIMES)' ./bench/crossings.sh

# Compares the instructions of calls, setup and kernels with tests/bench-check/figures.txt; UPDATE=1 writes that anew.
bench-check: lib command
	UPDATE='$(UPDATE)' ./tests/bench-check/test_bench_check.sh

# The plug-in libraries are left out where their formats' headers are not there.
install: lib command
	@$(MAKE) -s -C plugins possible
	./packaging/install.sh "$(PREFIX)" "$(DESTDIR)"

uninstall:
	./packaging/uninstall.sh "$(PREFIX)" "$(DESTDIR)"

# Fails every allocation and every system call of a host's life, which takes an hour; the table of what was seen is committed.
exhausted: lib command
	./tests/exhausted/test_exhausted.sh whole

packages:
	./tests/packages.sh

unit: FORCE
	cargo test --locked -q -p rtwasm -p rtwasm-base -p rtwasm-reports --lib
	cargo test --locked -q --profile tools -p rtwasm-cli -p rtwasm-compiler

loom: FORCE
	cargo test --locked -q -p rtwasm-model

test: packages
	./tests/run.sh

# The suites that depend on time, beside eight busy loops.
test-loaded: packages
	./tests/run.sh build artifacts
	./tests/loaded.sh

clean:
	rm -rf target
