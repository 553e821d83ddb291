#!/bin/sh
# Makes the seeds of fuzz.py and runs it: fuzz.sh [N [SEED]]. Run by `make fuzz`.
# Environment: ONLY (the number of one case), OUT (its file); RTWASM, RTWASM_LIBDIR.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/fuzz
rm -rf "$scratch"
. ../lib.sh
set -e
rm -f "$scratch"/signer.*
"$RTWASM" keygen "$scratch/signer" >/dev/null
made() { # made NAME OPTION...
    name=$1
    shift
    "$RTWASM" compile -q "$@" -o "$scratch/$name.rtw"
}
made plain seeds/small.wat
made rich seeds/rich.wat --cpu x86-64-v2
made parts seeds/small.wat --cpu x86-64-v2,x86-64-v3,aarch64 --profile both
made source seeds/rich.wat --profile plugin --cpu x86-64-v2 --embed-source
for name in plain parts; do
    "$RTWASM" sign "$scratch/$name.rtw" --key "$scratch/signer.key" -o "$scratch/signed-$name.rtw" >/dev/null
done
exec python3 fuzz.py "$RTWASM_LIBDIR/librtwasm.so" "$scratch" "${1:-20000}" "${2:-1}"
