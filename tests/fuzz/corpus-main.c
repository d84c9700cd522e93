/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target on the files of directories, where there is no libFuzzer: an ordinary test.
 */
#include <dirent.h>
#include <fcntl.h>

#include "core/buf.h"
#include "core/fs.h"
#include "fuzz.h"

#define INPUT_MAX (1024U * 1024U)

static void run_file(int dirfd, const char *dir, const char *name)
{
        _cleanup_(closep) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
        _cleanup_(freep) uint8_t *exact = NULL;
        struct buf input;

        (void)fprintf(stderr, "%s/%s\n", dir, name);
        buf_init(&input, INPUT_MAX);
        fuzz_must(fd >= 0 && fs_read(fd, &input) == 0);
        /* Exactly as large as the input, so that a step too far is seen. */
        exact = malloc(input.len > 0 ? input.len : 1);
        fuzz_must(exact);
        if (input.len > 0)
                memcpy(exact, input.text, input.len);
        (void)LLVMFuzzerTestOneInput(exact, input.len);
        buf_done(&input);
}

static unsigned run_directory(const char *path)
{
        DIR *dir = opendir(path);
        const struct dirent *entry;
        unsigned count = 0;

        fuzz_must(dir);
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                run_file(dirfd(dir), path, entry->d_name);
                count++;
        }
        closedir(dir);
        return count;
}

int main(int argc, char **argv)
{
        unsigned count = 0;

        (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
        for (int i = 1; i < argc; i++)
                count += run_directory(argv[i]);
        (void)fprintf(stderr, "%u inputs\n", count);
        return count > 0 ? 0 : 1;
}
