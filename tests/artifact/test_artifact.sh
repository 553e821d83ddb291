#!/bin/sh
# Damaged and tampered artifacts, through the C API (artifact.c) and the command. Run by `make test`.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/artifact
. ../lib.sh
use_uninstalled_library
C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
# shellcheck disable=SC2086 # lists of words
$CC $C_FLAGS artifact.c $harness -o "$scratch/artifact" "$RTWASM_LIBDIR/librtwasm.so" || fail "artifact.c compiles"

printf '(module (func (export "f") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))' >"$scratch/small.wat"
sed 's/i32\.add/i32.sub/' "$scratch/small.wat" >"$scratch/other.wat"
for key in signer second stranger; do
    check "keygen $key" "$RTWASM" keygen "$scratch/$key"
done

# ---- keys ----
check "a secret key is its owner's" test "$(stat -c %a "$scratch/signer.key")" = 600
cp "$scratch/signer.key" "$scratch/before.key"
refuses "keygen overwrites no key" "is not overwritten" "$RTWASM" keygen "$scratch/signer"
check "the key is what it was" cmp "$scratch/signer.key" "$scratch/before.key"
mv "$scratch/before.key" "$scratch/alone.key"
refuses "keygen overwrites no secret key either" "alone.key: it exists" "$RTWASM" keygen "$scratch/alone"
check "and leaves no public key that does not fit" test ! -e "$scratch/alone.pub"

# ---- what the library does ----
for profile in standalone plugin; do
    for guest in small other; do
        check "$guest compiles for $profile" "$RTWASM" compile -q "$scratch/$guest.wat" --profile $profile -o "$scratch/$guest.$profile.rtw"
    done
done
check "two parts in one file" python3 tamper.py parts "$scratch/small.standalone.rtw" "$scratch/small.plugin.rtw" "$scratch/two.rtw"
check "it is signed" "$RTWASM" sign "$scratch/two.rtw" --key "$scratch/signer.key"
for profile in standalone plugin; do
    signed=$scratch/signed.$profile.rtw
    check "sign for $profile" "$RTWASM" sign "$scratch/small.$profile.rtw" --key "$scratch/signer.key" -o "$signed"
    check "sign the other for $profile" "$RTWASM" sign "$scratch/other.$profile.rtw" --key "$scratch/signer.key" -o "$scratch/signed_other.rtw"
    # The plugin's runtime chooses another part than this list assumes.
    two=$scratch/two.rtw
    [ $profile = standalone ] || two=$scratch/two_turned.rtw
    if [ $profile = plugin ]; then
        check "two parts, the other way round" python3 tamper.py parts "$scratch/small.plugin.rtw" "$scratch/small.standalone.rtw" "$two"
        check "it is signed, too" "$RTWASM" sign "$two" --key "$scratch/signer.key"
    fi
    python3 tamper.py "$scratch/tampered" "$scratch/small.$profile.rtw" "$scratch/other.$profile.rtw" "$signed" "$scratch/signed_other.rtw" "$two" \
        >"$scratch/tampered.txt" || fail "tamper.py for $profile"
    adopt "artifact $profile" "$scratch/artifact" $profile "$scratch"
    wrong=0
    while read -r file _ _ expected what; do
        "$RTWASM" verify "$file" --key "$scratch/signer.pub" >"$scratch/out" 2>"$scratch/err"
        status=$?
        [ $status -eq "$expected" ] || { echo "    $what: verify ended with $status instead of $expected"; wrong=$((wrong + 1)); }
    done <"$scratch/tampered.txt"
    check "verify finds all of it for $profile" test $wrong -eq 0
done

# ---- artifacts that are changed along their structure ----
adopt "fuzz" ./fuzz.sh 1500 1

# ---- the command ----
ends() { # ends STATUS COMMAND...
    wanted=$1
    shift
    "$@" >"$scratch/out" 2>"$scratch/err"
    found=$?
    [ $found -eq "$wanted" ] || { echo "exit status $found instead of $wanted"; return 1; }
}
said() { grep -qF -e "$1" "$scratch/out" "$scratch/err"; }
cd "$scratch" || exit 1
RTWASM=$(cd "$OLDPWD" && realpath "$RTWASM")
scratch=.
cp small.standalone.rtw a.rtw
check "verify an artifact that nobody signed" ends 0 "$RTWASM" verify a.rtw
check "verify says that nobody signed it" said "not signed"
check "verify it with a key" ends 3 "$RTWASM" verify a.rtw --key signer.pub
check "sign in place" ends 0 "$RTWASM" sign a.rtw --key signer.key
cp a.rtw once.rtw
check "the same key again changes nothing" ends 0 "$RTWASM" sign a.rtw --key signer.key
check "byte for byte" cmp a.rtw once.rtw
check "a second key" ends 0 "$RTWASM" sign a.rtw --key second.key
check "the keys in the other order" "$RTWASM" sign small.standalone.rtw --key second.key --key signer.key -o b.rtw
check "make the same bytes" cmp a.rtw b.rtw
for key in signer second; do check "verify with $key" ends 0 "$RTWASM" verify a.rtw --key $key.pub; done
check "verify with a key by its digits" ends 0 "$RTWASM" verify a.rtw --key "$(awk '$1 == "rtwasm-public-key" { print $2 }' second.pub)"
check "verify with a stranger's key" ends 3 "$RTWASM" verify a.rtw --key stranger.pub
check "verify with several keys in a file" sh -c "cat stranger.pub second.pub >several.pub && '$RTWASM' verify a.rtw --key several.pub"
check "inspect tells who signed" sh -c "'$RTWASM' inspect a.rtw | grep -c 'signed by' | grep -qx 2"
check "replace a key" ends 0 "$RTWASM" sign a.rtw --remove second.pub --key stranger.key
check "the old one is gone" ends 3 "$RTWASM" verify a.rtw --key second.pub
check "the new one is there" ends 0 "$RTWASM" verify a.rtw --key stranger.pub
check "remove it again" ends 0 "$RTWASM" sign a.rtw --remove stranger.pub
check "what is left was there before" cmp a.rtw once.rtw
check "remove what is not there" ends 1 "$RTWASM" sign a.rtw --remove stranger.pub
check "remove all" ends 0 "$RTWASM" sign a.rtw --remove all
check "what is left is the artifact as compiled" cmp a.rtw small.standalone.rtw
"$RTWASM" inspect small.standalone.rtw --digest | grep -A3 digest >digest.plain
"$RTWASM" inspect once.rtw --digest | grep -A3 digest >digest.signed
check "signing does not change the digest" cmp digest.plain digest.signed
check "a digest is SHA-256 of the section" python3 - "$OLDPWD/../support" once.rtw <<'END'
import hashlib, json, subprocess, sys
sys.path.insert(0, sys.argv[1])
import envelope
file = open(sys.argv[2], "rb").read()
artifact = envelope.unpack(file)
assert all(hashlib.sha256(one.data).digest() == one.digest for one in artifact.sections)
table = file[64 : 64 + 80 * len(artifact.sections)]
assert hashlib.sha256(file[:16] + table).hexdigest() in open("digest.signed").read()
END
check "a damaged artifact is not signed" sh -c "head -c -1 once.rtw >short.rtw; ! '$RTWASM' sign short.rtw --key signer.key && ! '$RTWASM' sign short.rtw --remove all"
check "sign with a public key" ends 1 "$RTWASM" sign once.rtw --key signer.pub
check "says what it is" said "it has a public key"
check "verify with a secret key" ends 1 "$RTWASM" verify once.rtw --key signer.key
check "says that, too" said "it has a secret key"
check "sign with no key" ends 2 "$RTWASM" sign once.rtw
chmod 644 second.key
check "a key that others can read" sh -c "'$RTWASM' sign once.rtw --key second.key -o c.rtw 2>&1 | grep -q 'others can read'"
finish
