/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By the system calls themselves: libcap would be a library for three of them.
 */
#include "caps.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define BIT(capability) (UINT64_C(1) << (capability))

static const uint64_t keep = BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_ADMIN) |
                             BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_BROADCAST) |
                             BIT(CAP_SYS_PTRACE);

/* The three sets of a process. */
struct sets {
        uint64_t effective, permitted, inheritable;
};

static int get_sets(struct sets *ret, struct err *err)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        if (syscall(SYS_capget, &header, data) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "read the capabilities");
        ret->effective = data[0].effective | (uint64_t)data[1].effective << 32;
        ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
        ret->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
        return 0;
}

static int put_sets(const struct sets *sets, struct err *err)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                data[i] = (struct __user_cap_data_struct){
                        .effective = (uint32_t)(sets->effective >> (32 * i)),
                        .permitted = (uint32_t)(sets->permitted >> (32 * i)),
                        .inheritable = (uint32_t)(sets->inheritable >> (32 * i)),
                };
        if (syscall(SYS_capset, &header, data) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "give up capabilities");
        return 0;
}

static int limit_bounding_set(struct err *err)
{
        for (unsigned long i = 0; i < 64; i++) {
                /* The kernel refuses to talk about those that it does not know. */
                if (keep & BIT(i) || prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1)
                        continue;
                if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
                        return err_set(err, -errno, CNI_ERR_INTERNAL,
                                       "give up capability %lu for good", i);
        }
        return 0;
}

int caps_drop(struct err *err)
{
        struct sets sets = { 0 };
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "set no_new_privs");
        r = get_sets(&sets, err);
        /* Without CAP_SETPCAP the bounding set stays as it is. With no_new_privs an exec gains
         * nothing from it. */
        if (r == 0 && sets.effective & BIT(CAP_SETPCAP))
                r = limit_bounding_set(err);
        if (r < 0)
                return r;
        sets.permitted &= keep;
        sets.effective = sets.permitted;
        sets.inheritable &= keep;
        return put_sets(&sets, err); /* the ambient set follows */
}
