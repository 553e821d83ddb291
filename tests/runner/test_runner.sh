#!/bin/sh
# The runner of the tests itself: what hangs, fails, counts nothing or leaves processes behind is planted, and has to be named,
# counted and cleared away. Run by `make test`.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$(realpath $root)/target/tests/runner
. ../lib.sh
unset SUITE_HANG_SECONDS PROGRAM_HANG_SECONDS TEST_PATIENCE TEST_SIDE_BY_SIDE

plant() { # plant NAME: a script from the standard input
    cat >"$scratch/$1.sh"
    chmod +x "$scratch/$1.sh"
}
suites() { # suites RUN [SUITE]: runs the suites that the standard input lists; what is said goes to RUN.said
    cat >"$scratch/$1.suites"
    TEST_SUITES=$scratch/$1.suites TEST_LOGS=$scratch/$1 SUITE_HANG_SECONDS=${limit_s:-600} $root/tests/run.sh $2 >"$scratch/$1.said" 2>&1
    status=$?
}
says() { # says RUN TEXT: a fixed string
    grep -qF -e "$2" "$scratch/$1.said"
}
ends_with() { # ends_with RUN LINE
    [ "$(tail -n 1 "$scratch/$1.said")" = "$2" ]
}
is_gone() { # is_gone FILE: the process that noted its number there
    [ -s "$scratch/$1" ] && ! kill -0 "$(cat "$scratch/$1")" 2>/dev/null
}

# ---- what is as it should be ----
plant good <<'END'
#!/bin/sh
echo "ok one thing"
echo "1 passed, 0 failed"
END
# Each goes on only when the other has begun.
for own in left right; do
    other=$([ $own = left ] && echo right || echo left)
    plant $own <<END
#!/bin/sh
touch "$scratch/$own.here"
until [ -e "$scratch/$other.here" ]; do sleep 0.05; done
[ ! -e "$scratch/timed.here" ] && echo "2 passed, 0 failed"
END
done
plant timed <<END
#!/bin/sh
touch "$scratch/timed.here"
echo "4 passed, 0 failed"
END
suites well <<END
timed timed $scratch/timed.sh
first good $scratch/good.sh
suite left $scratch/left.sh
suite right $scratch/right.sh
END
check "all is well: exit status 0" test $status -eq 0
check "two suites run side by side; one that depends on time comes after them; the last line is the sum" ends_with well "9 passed, 0 failed"
order=$(sed '1,/^suite /d; / in all$/,$d' "$scratch/well.said" | awk '{ printf "%s ", $1 }')
check "the summary has the list's order" test "$order" = "timed good left right "
suites only timed <<END
timed timed $scratch/timed.sh
suite good $scratch/good.sh
END
check "'timed' runs those that depend on time, and no other" ends_with only "4 passed, 0 failed"
suites unknown nosuch <<END
suite good $scratch/good.sh
END
check "a suite that is not there is a failure" ends_with unknown "0 passed, 1 failed"

# ---- hanging ----
plant hanging <<END
#!/bin/sh
echo \$\$ >"$scratch/hanging.pid"
echo "ok a thing before it hangs"
setsid sh -c 'echo \$\$ >"$scratch/away.pid"; exec sleep 86400' &
trap '' TERM
sleep 86401
END
limit_s=2
suites hangs <<END
suite hanging $scratch/hanging.sh
suite good $scratch/good.sh
END
limit_s=
check "a suite that hangs is a failure" test $status -eq 1
check "the others are run" ends_with hangs "1 passed, 1 failed"
check "it is said to hang" says hangs "FAIL hung: it had not ended after 2 s"
check "its last line is told" says hangs "the last line it printed: ok a thing before it hangs"
check "so is what was running" says hangs "sleep 86401"
check "also in a session of its own" says hangs "sleep 86400"
check "and how it is repeated" says hangs "to repeat it: tests/run.sh hanging    which is: $scratch/hanging.sh"
check "it is gone" is_gone hanging.pid
check "so is what it had started in a session of its own" is_gone away.pid

# ---- leaving something behind ----
plant leaving <<END
#!/bin/sh
setsid sh -c 'echo \$\$ >"$scratch/left.pid"; exec sleep 86402' &
until [ -s "$scratch/left.pid" ]; do sleep 0.05; done
echo "3 passed, 0 failed"
END
suites leaves <<END
suite leaving $scratch/leaving.sh
END
check "a suite that leaves a process behind fails" ends_with leaves "3 passed, 1 failed"
check "the process is named" says leaves "sleep 86402"
check "and gone" is_gone left.pid

# ---- failing, and counting nothing ----
plant failing <<'END'
#!/bin/sh
echo "FAIL a thing"
echo "5 passed, 1 failed"
exit 1
END
plant dying <<'END'
#!/bin/sh
echo "ok so far"
kill -SEGV $$
END
plant idle <<'END'
#!/bin/sh
exit 0
END
suites bad <<END
suite failing $scratch/failing.sh
suite dying $scratch/dying.sh
suite idle $scratch/idle.sh
suite absent $scratch/absent.sh
END
check "failures: exit status 1" test $status -eq 1
check "all are counted, and all that passed" ends_with bad "5 passed, 4 failed"
check "a failing check is shown" says bad "FAIL a thing"
check "a suite that dies is told by its status" says bad "FAIL exit status 139"
check "one that counts nothing fails" says bad "FAIL the suite counted nothing"
check "one that is not there fails" says bad "FAIL $scratch/absent.sh: No such file or directory"

# ---- programs of a suite ----
plant program <<'END'
#!/bin/sh
echo "ok $PLANTED begins"
[ "$1" = hang ] && sleep 86403
[ "$1" = fail ] && { echo "FAIL $PLANTED"; echo "1 passed, 1 failed"; exit 1; }
echo "1 passed, 0 failed"
END
plant programs <<END
#!/bin/sh
root=$(realpath $root)
scratch=$scratch/programs.scratch
. $(realpath ..)/lib.sh
export PLANTED="in this"
for way in hang fail "go on"; do adopt "program \$way" $scratch/program.sh "\$way"; done
check "a command" test -e "\$scratch/nowhere"
check "another command" env false
finish
END
PROGRAM_HANG_SECONDS=2
export PROGRAM_HANG_SECONDS
suites programs <<END
suite programs $scratch/programs.sh
END
unset PROGRAM_HANG_SECONDS
cp "$scratch/programs/programs.log" "$scratch/programs.said"
check "a program that hangs is named" says programs "FAIL program hang: hung: it had not ended after 2 s"
check "with its last line" says programs "the last line it printed: ok in this begins"
check "and what was running" says programs "sleep 86403"
check "the suite's other programs are run" ends_with programs "3 passed, 4 failed"
again=$(sed -n "s/^    to repeat it: //p" "$scratch/programs.said" | grep 'program.sh fail$')
check "how to repeat one alone is told" test -n "$again"
env -i PATH="$PATH" sh -c "$again" >"$scratch/again" 2>&1
check "which does the same, with its variables" grep -qxF "FAIL in this" "$scratch/again"
check "and no others" sh -c '[ "$(echo "$1" | grep -o "[A-Z_]*=" | tr -d "\n")" = PLANTED= ]' sh "$again"
check "so it is for a command" grep -q '^    to repeat it: .* env false$' "$scratch/programs.said"

# ---- what several suites build ----
mkdir -p "$scratch/target"
printf 'all:\n\t@! flock --nonblock %s true\n' "$scratch/target/make.lock" >"$scratch/Makefile"
in_scratch() { (root=$scratch && "$@" -C "$scratch"); }
check "a build that suites share keeps other builds out" in_scratch make_alone
refuses "twin: another build does not" "Error 1" in_scratch make -s

# ---- the list ----
check "what depends on time is listed" grep -q '^    timed ' ../run.sh
for command in $(sed -n 's/^    \(first\|suite\|timed\) [^ ]* \(tests[^ ]*\)$/\2/p' ../run.sh); do
    check "$command is there" test -x "$root/$command"
done
finish
