/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No index: all files are read.
 */
#include "index.h"

#include "core/util.h"

void index_open(struct index *index, _unused_ const char *base, _unused_ int dirfd,
                _unused_ const struct boot *boot, _unused_ time_t now_s)
{
        *index = INDEX_OFF;
}

void index_close(_unused_ struct index *index)
{
}

bool index_is_valid(_unused_ const struct index *index)
{
        return false;
}

bool index_is_unsaved(_unused_ const struct index *index)
{
        return false;
}

void index_distrust(_unused_ struct index *index)
{
}

int index_find(_unused_ struct index *index, _unused_ const char *container_id,
               _unused_ const char *ifname, _unused_ struct ip *ret)
{
        return -1;
}

void index_before_change(_unused_ struct index *index)
{
}

void index_after_change(_unused_ struct index *index)
{
}

void index_add(_unused_ struct index *index, _unused_ const char *container_id,
               _unused_ const char *ifname, _unused_ const struct ip *ip)
{
}

void index_remove(_unused_ struct index *index, _unused_ const char *container_id,
                  _unused_ const char *ifname, _unused_ const struct ip *ip)
{
}

bool index_build_start(_unused_ struct index *index)
{
        return false;
}

void index_build_note(_unused_ struct index *index, _unused_ const char *container_id,
                      _unused_ const char *ifname, _unused_ const struct ip *ip)
{
}

void index_build_end(_unused_ struct index *index, _unused_ bool complete)
{
}
