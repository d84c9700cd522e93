# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the other scripts: where things are. What is expensive to make and belongs to no checkout
# (the Go programs, a static cJSON) is kept outside the tree, in a directory per version.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${CNI_IPAM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cni-ipam}
PATH=$PATH:/usr/sbin:/sbin

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# configure DIRECTORY OPTION...: a build directory with these options, whether it exists or not.
configure() {
    local dir=$1
    shift
    if [ -f "$dir/meson-private/coredata.dat" ]; then
        meson setup --reconfigure "$@" "$dir" "$ROOT"
    else
        meson setup "$@" "$dir" "$ROOT"
    fi
}
