/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_APPLY_H
#define DHCP_APPLY_H

/*
 * What becomes of the container's interface when its lease is lost, comes back or changes. Main
 * plugins configure it first; from then on only this does, and only when the policy says so.
 */

#include "record.h"

/* The lease is lost. Takes the link down with the policy `down`, else the address off: its routes
 * go with it and are remembered in the record. What has been done stands in `withdrawn`, also when
 * an error tells that the routes are lost. */
int apply_withdraw(struct net *net, struct record *record, struct err *err);

/* Puts the record's address and its routes in place. The address counts: with it there `withdrawn`
 * is over, also when an error tells of a route. */
int apply_restore(struct net *net, struct record *record, int64_t now_ms, struct err *err);

/* Another address has come in the place of a lost one: what belonged to that is forgotten. The new
 * one is for apply_restore(). */
int apply_forget(struct net *net, struct record *record, const struct grant *former,
                 struct err *err);

/* Lets the kernel take the address away when the lease ends. Nothing without `kernelLifetime`. */
int apply_lifetime(struct net *net, const struct record *record, int64_t now_ms, struct err *err);

#endif
