#!/bin/sh
# Looks into a guest module: its memory must have one fixed size, and its imports must be exactly those declared.
#   check-module.sh module.wasm [module.name ...]
set -eu
module=$1
shift

yaml=$("${OBJ2YAML:-obj2yaml-19}" "$module")

# The memories' minimum and maximum, in pages.
limits=$(printf '%s\n' "$yaml" | awk '
    /- Type:/ { inside = $3 == "MEMORY" }
    inside && /Minimum:/ { minimum = $2 }
    inside && /Maximum:/ { maximum = $2 }
    END { print minimum, maximum }')
minimum=${limits% *}
maximum=${limits#* }
if [ -z "$minimum" ] || [ "$minimum" != "$maximum" ]; then
    echo "$module: the memory's size is not fixed (minimum '$minimum', maximum '$maximum' pages)" >&2
    exit 1
fi

found=$(printf '%s\n' "$yaml" | awk '
    /- Type:/ { inside = $3 == "IMPORT" }
    inside && /- Module:/ { module = $3 }
    inside && /Field:/ { print module "." $2 }' | sort)
declared=$(for import in "$@"; do echo "$import"; done | sort)
if [ "$found" != "$declared" ]; then
    echo "$module: imports '$found', declared are '$declared'" >&2
    exit 1
fi
