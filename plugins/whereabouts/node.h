/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_NODE_H
#define WHEREABOUTS_NODE_H

/*
 * `whereabouts node`: the node service. It installs the programs, keeps the plugin's files fresh,
 * leads the node's calls and releases what nobody will release. Without it the plugin works as
 * well, only slower, and with whatever credentials are there.
 */

/* The sub-command; gets its arguments from its own name on. Returns the exit status. */
int node_run(int argc, char **argv);

#endif
