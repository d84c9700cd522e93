#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes the node's files anew when the pod's token or the certificate authority has changed. The node service
# (/ip-control-loop) does so by itself; this is for a pod that does not run it.

# shellcheck source=deploy/image/lib.sh
. /lib.sh

seen=
while :; do
    now=$(credentials)
    if [ "$now" != "$seen" ] && write_files; then
        seen=$now
    fi
    sleep 5
done
