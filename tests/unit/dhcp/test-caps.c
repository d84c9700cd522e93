/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process can do before and after. Each case is a process of its own, because the way down
 * is one-way.
 */
#include "caps.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include "unit.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define KEPT                                                                                      \
        (BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_BIND_SERVICE) | \
         BIT(CAP_NET_BROADCAST) | BIT(CAP_SYS_PTRACE))

enum set {
        EFFECTIVE,
        PERMITTED,
        INHERITABLE,
        BOUNDING,
        SETS,
};

static void get(uint64_t ret[SETS])
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
        ret[EFFECTIVE] = data[0].effective | (uint64_t)data[1].effective << 32;
        ret[PERMITTED] = data[0].permitted | (uint64_t)data[1].permitted << 32;
        ret[INHERITABLE] = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
        ret[BOUNDING] = 0;
        for (unsigned long i = 0; i < 64; i++)
                if (prctl(PR_CAPBSET_READ, i, 0UL, 0UL, 0UL) == 1)
                        ret[BOUNDING] |= BIT(i);
}

static void put(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
                { (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
                { (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
                  (uint32_t)(inheritable >> 32) },
        };

        ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

static void drop(void)
{
        struct err err;

        unit_assert_ok(caps_drop(&err), &err);
}

static void as_root(const char *dir)
{
        uint64_t before[SETS], after[SETS];
        char path[UNIT_PATH_MAX];

        get(before);
        put(before[EFFECTIVE], before[PERMITTED], before[PERMITTED]);
        unit_write(dir, "file", "");
        ck_assert_int_eq(chown(unit_path(dir, "file", path), 12345, 0), 0);
        drop();
        get(after);
        /* There was something to lose, and something to keep. */
        ck_assert_uint_ne(before[PERMITTED] & ~KEPT, 0);
        ck_assert_uint_ne(before[PERMITTED] & KEPT, 0);
        ck_assert_uint_eq(after[PERMITTED], before[PERMITTED] & KEPT);
        ck_assert_uint_eq(after[EFFECTIVE], before[PERMITTED] & KEPT);
        ck_assert_uint_eq(after[INHERITABLE], before[PERMITTED] & KEPT);
        ck_assert_uint_eq(after[BOUNDING], before[BOUNDING] & KEPT);
        ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL), 1);
        ck_assert_int_lt(chown(path, 0, 0), 0);
        ck_assert_int_eq(errno, EPERM);
}

START_TEST(root_keeps_only_what_the_daemon_needs)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(as_root, unit_dir(dir));
}
END_TEST

/* As where a container's runtime has given away only what is needed, and not all of that. */
static void with_few(_unused_ const char *dir)
{
        uint64_t before[SETS], after[SETS];

        put(BIT(CAP_NET_RAW), BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN), BIT(CAP_CHOWN));
        get(before);
        drop();
        get(after);
        ck_assert_uint_eq(after[PERMITTED], BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN));
        ck_assert_uint_eq(after[EFFECTIVE], BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN));
        ck_assert_uint_eq(after[INHERITABLE], 0);
        ck_assert_uint_eq(after[BOUNDING], before[BOUNDING]); /* without CAP_SETPCAP */
        ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL), 1);
}

START_TEST(what_is_not_there_is_not_missed)
{
        unit_in_child(with_few, "");
}
END_TEST

static void twice(_unused_ const char *dir)
{
        uint64_t once[SETS], again[SETS];

        drop();
        get(once);
        drop();
        get(again);
        ck_assert_mem_eq(once, again, sizeof(once));
}

START_TEST(dropping_again_changes_nothing)
{
        unit_in_child(twice, "");
}
END_TEST

static void with_none(_unused_ const char *dir)
{
        uint64_t after[SETS];

        put(0, 0, 0);
        drop();
        get(after);
        ck_assert_uint_eq(after[PERMITTED] | after[EFFECTIVE] | after[INHERITABLE], 0);
        ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL), 1);
}

START_TEST(who_has_nothing_can_drop_it)
{
        unit_in_child(with_none, "");
}
END_TEST

static void add(TCase *tests)
{
        tcase_add_test(tests, who_has_nothing_can_drop_it);
        if (!unit_is_root("capabilities"))
                return;
        tcase_add_test(tests, root_keeps_only_what_the_daemon_needs);
        tcase_add_test(tests, what_is_not_there_is_not_missed);
        tcase_add_test(tests, dropping_again_changes_nothing);
}

UNIT_MAIN("caps", add)
