#!/bin/sh
# Lays out a Rust compiler for aarch64 Linux below FOLDER: Debian's, with the standard library of both architectures. FOLDER/rustc
# is the compiler. The machine's own Rust has no standard library for aarch64 and stays as it is.
#   toolchain.sh FOLDER
set -eu
here=$(dirname "$(realpath "$0")")
folder=$1
"$here/fetch.sh" "$folder/rust" rustc-web 'libstd-rust-web-dev=*libstd-rust-web-' libstd-rust-web-dev libstd-rust-web-dev:arm64 libllvm22
folder=$(realpath "$folder")
cat >"$folder/rustc.new" <<SCRIPT
#!/bin/sh
LD_LIBRARY_PATH=$folder/rust/usr/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$folder/rust/usr/bin/rustc" --sysroot "$folder/rust/usr" "\$@"
SCRIPT
chmod +x "$folder/rustc.new"
# Left as it is where nothing changes, since Cargo looks at its date.
cmp -s "$folder/rustc.new" "$folder/rustc" && rm "$folder/rustc.new" || mv "$folder/rustc.new" "$folder/rustc"
