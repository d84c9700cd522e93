/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_COMMAND_H
#define DHCP_COMMAND_H

/*
 * The sub-commands for people: the daemon itself, what it holds, and giving leases back.
 */

#include "core/cni.h"

/* A table for struct cni_plugin. */
extern const struct cni_command dhcp_commands[];
extern const size_t dhcp_command_count;

#endif
