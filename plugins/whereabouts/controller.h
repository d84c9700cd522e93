/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CONTROLLER_H
#define WHEREABOUTS_CONTROLLER_H

/*
 * `whereabouts controller`: what has to be done once in a cluster. Any number of instances may run;
 * a Lease says which one works.
 */

#define CONTROLLER_USAGE                                                          \
        "[--schedule CRON] [--schedule-file FILE] [--grace SECONDS] [--evicted] " \
        "[--no-reconcile] [--no-slices] [--listen ADDRESS] [--kubeconfig FILE]"

int controller_command(int argc, char **argv);

#endif
