#!/bin/sh
# Links the shared library, as rustc asks for: `cc` with these arguments, after the printer of backtraces has been emptied
# (without_backtraces.sh). rustc would take a name that begins with "link" and ends there for another linker's.
#   LINK_CC  the C compiler that links, `cc` otherwise
for argument in "$@"; do
    case $argument in
        *.rcgu.o) "$(dirname "$0")/without_backtraces.sh" "$argument" ;;
    esac
done
exec "${LINK_CC:-cc}" "$@"
