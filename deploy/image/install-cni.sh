#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs whereabouts on the node. With SLEEP=false it returns to the shell that sourced it, which may go on
# with /ip-control-loop; otherwise it stays, as the only process of a container.

# shellcheck source=deploy/image/lib.sh
. /lib.sh

install_all || exit 1
if [ "${SLEEP:-true}" != false ]; then
    trap 'exit 0' TERM INT # nobody else does this for process 1
    while :; do
        sleep 3600 &
        wait $!
    done
fi
