/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ADD and a DEL cost, from the start of the process to its end, for two programs in one
 * run.
 *
 * The programs take turns, so that whatever else the machine does hits both; with many addresses
 * ours makes several calls a turn, or there would be few samples of it. Each has a directory of its
 * own with the same content: the first N addresses of 10.0.0.0/16 held, the cursor at the last of
 * them, as N calls would have left it. Every ADD is followed by its DEL, so N stays. A DEL comes
 * without prevResult (the owner is searched) and with it (as a runtime calls that keeps results).
 * An ADD comes also as the first call after somebody else changed the directory, when ours has to
 * make its index anew. Beside them goes ours with a directory where nothing is held, in the same
 * rounds: that is what flat is measured by. The launcher is posix_spawn() and a file as standard
 * input: no shell, no pipe.
 */
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NETWORK     "bench"
#define WARM_UP     3
#define SAMPLES_MAX 2048

struct samples {
        double ms[SAMPLES_MAX];
        size_t count;
};

enum verb { VERB_ADD, VERB_DEL, VERB_DEL_PREV, VERB_ADD_FIRST, VERB_COUNT };

enum { OURS, GO, OURS_NONE, PROGRAMS };

static const char *const verb_names[] = { "ADD", "DEL", "DEL with prevResult", "ADD after others" };

struct program {
        const char *path, *label;
        char dir[4096];  /* of the network */
        char conf[4096]; /* standard input of a call */
        struct samples samples[VERB_COUNT];
};

static const struct step {
        unsigned taken;
        unsigned rounds;
        unsigned repeat; /* calls of ours in a round */
} steps[] = {
        { 0, 400, 1 }, { 250, 300, 1 }, { 1000, 200, 2 }, { 10000, 40, 10 }, { 60000, 12, 30 },
};

static double now_ms(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                err(1, "write %s", path);
        (void)close(fd);
}

/* Runs a program to its end. Returns the milliseconds it took; whatever fails ends the benchmark.
 */
static double run(const char *path, const char *conf, char *const env[])
{
        char *argv[] = { (char *)(uintptr_t)path, NULL };
        posix_spawn_file_actions_t actions;
        double start;
        int r, status;
        pid_t pid;

        if (posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_addopen(&actions, 0, conf, O_RDONLY, 0) != 0 ||
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) != 0)
                errx(1, "out of memory");
        start = now_ms();
        r = posix_spawn(&pid, path, &actions, NULL, argv, env);
        if (r != 0)
                errx(1, "start %s: %s", path, strerror(r));
        if (waitpid(pid, &status, 0) < 0)
                err(1, "wait");
        start = now_ms() - start;
        (void)posix_spawn_file_actions_destroy(&actions);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                errx(1, "%s failed; its input was %s", path, conf);
        return start;
}

static int compare(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static double median(struct samples *samples)
{
        size_t middle = samples->count / 2;

        qsort(samples->ms, samples->count, sizeof(*samples->ms), compare);
        return samples->count % 2 != 0 ? samples->ms[middle]
                                       : (samples->ms[middle - 1] + samples->ms[middle]) / 2;
}

static void keep(struct samples *samples, double ms)
{
        if (samples->count == SAMPLES_MAX)
                errx(1, "more samples than there is room for");
        samples->ms[samples->count++] = ms;
}

/* ---- the directory ---- */

/* The n-th address that a fresh network gives: .0.0 is the network, .0.1 the gateway. */
static void address(char *text, size_t size, unsigned n)
{
        unsigned host = n + 2;

        (void)snprintf(text, size, "10.0.%u.%u", host >> 8, host & 255);
}

static void fill(const struct program *program, unsigned from, unsigned to)
{
        char path[8192], name[32], text[32];

        for (unsigned n = from; n < to; n++) {
                address(name, sizeof(name), n);
                (void)snprintf(path, sizeof(path), "%s/%s", program->dir, name);
                (void)snprintf(text, sizeof(text), "fill%u\r\neth0", n);
                write_file(path, text);
        }
        (void)snprintf(path, sizeof(path), "%s/last_reserved_ip.0", program->dir);
        if (to > 0) {
                address(name, sizeof(name), to - 1);
                write_file(path, name);
        } else if (unlink(path) < 0 && access(path, F_OK) == 0) {
                err(1, "unlink %s", path);
        }
}

/* The address of the last ADD: where the cursor stands. */
static void last_reserved(const struct program *program, char *text, size_t size)
{
        char path[8192];
        ssize_t len;
        int fd;

        (void)snprintf(path, sizeof(path), "%s/last_reserved_ip.0", program->dir);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        len = fd < 0 ? -1 : read(fd, text, size - 1);
        if (len < 0)
                err(1, "read %s", path);
        text[len] = '\0';
        (void)close(fd);
}

static void write_conf(const struct program *program, bool prev)
{
        char text[8192], result[256] = "", ip[64];

        if (prev) {
                last_reserved(program, ip, sizeof(ip));
                (void)snprintf(result, sizeof(result),
                               ",\"prevResult\":{\"cniVersion\":\"1.0.0\","
                               "\"ips\":[{\"address\":\"%s/16\",\"gateway\":\"10.0.0.1\"}]}",
                               ip);
        }
        (void)snprintf(text, sizeof(text),
                       "{\"cniVersion\":\"1.0.0\",\"name\":\"" NETWORK "\",\"type\":\"bridge\","
                       "\"ipam\":{\"type\":\"host-local\",\"dataDir\":\"%.*s\","
                       "\"ranges\":[[{\"subnet\":\"10.0.0.0/16\"}]]}%s}",
                       (int)(strlen(program->dir) - strlen("/" NETWORK)), program->dir, result);
        write_file(program->conf, text);
}

static void prepare(struct program *program, const char *root)
{
        char path[4000];

        (void)snprintf(path, sizeof(path), "%s/%s", root, program->label);
        if (mkdir(path, 0755) < 0)
                err(1, "mkdir %s", path);
        (void)snprintf(program->dir, sizeof(program->dir), "%s/" NETWORK, path);
        (void)snprintf(program->conf, sizeof(program->conf), "%s/conf", path);
        if (mkdir(program->dir, 0755) < 0)
                err(1, "mkdir %s", program->dir);
        write_conf(program, false);
}

/* ---- the measurement ---- */

static double call(const struct program *program, enum verb verb)
{
        static char *const add[] = { "CNI_COMMAND=ADD",       "CNI_CONTAINERID=bench",
                                     "CNI_NETNS=/none/netns", "CNI_IFNAME=eth0",
                                     "CNI_PATH=/opt/cni/bin", NULL };
        static char *const del[] = { "CNI_COMMAND=DEL",       "CNI_CONTAINERID=bench",
                                     "CNI_NETNS=/none/netns", "CNI_IFNAME=eth0",
                                     "CNI_PATH=/opt/cni/bin", NULL };

        return run(program->path, program->conf,
                   verb == VERB_ADD || verb == VERB_ADD_FIRST ? add : del);
}

/* Somebody else makes a file and removes it. */
static void disturb(const struct program *program)
{
        char path[8192];

        (void)snprintf(path, sizeof(path), "%s/others", program->dir);
        write_file(path, "");
        if (unlink(path) < 0)
                err(1, "unlink %s", path);
}

static void measure_call(struct program *program, enum verb verb, bool counts)
{
        double ms;

        if (verb == VERB_DEL_PREV)
                write_conf(program, true);
        if (verb == VERB_ADD_FIRST)
                disturb(program);
        ms = call(program, verb);
        if (verb == VERB_DEL_PREV)
                write_conf(program, false);
        if (counts)
                keep(&program->samples[verb], ms);
}

static void take_turn(struct program *program, unsigned repeat, bool counts)
{
        for (unsigned i = 0; i < repeat; i++) {
                measure_call(program, VERB_ADD, counts);
                measure_call(program, VERB_DEL, counts);
                measure_call(program, VERB_ADD, counts);
                measure_call(program, VERB_DEL_PREV, counts);
        }
        measure_call(program, VERB_ADD_FIRST, counts);
        (void)call(program, VERB_DEL);
}

static void measure(struct program programs[PROGRAMS], const struct step *step)
{
        for (unsigned i = 0; i < PROGRAMS; i++)
                for (unsigned v = 0; v < VERB_COUNT; v++)
                        programs[i].samples[v].count = 0;
        for (unsigned round = 0; round < step->rounds + WARM_UP; round++)
                for (unsigned i = 0; i < PROGRAMS; i++) {
                        unsigned turn = (round + i) % PROGRAMS;

                        take_turn(&programs[turn], turn != GO ? step->repeat : 1, round >= WARM_UP);
                }
        for (unsigned v = 0; v < VERB_COUNT; v++) {
                double ours = median(&programs[OURS].samples[v]);
                double peer = median(&programs[GO].samples[v]);
                double none = median(&programs[OURS_NONE].samples[v]);

                (void)printf("%-19s %6u taken   ours %7.2f ms   Go %7.2f ms   %6.1fx",
                             verb_names[v], step->taken, ours, peer, peer / ours);
                if (step->taken > 0 && v != VERB_ADD_FIRST)
                        (void)printf("   with none %5.2f ms   %4.2fx", none, ours / none);
                (void)printf("\n");
        }
        (void)fflush(stdout);
}

static double floor_ms(const char *path)
{
        char *const env[] = { NULL };
        struct samples samples = { 0 };

        for (unsigned i = 0; i < 500 + WARM_UP; i++) {
                double ms = run(path, "/dev/null", env);

                if (i >= WARM_UP)
                        keep(&samples, ms);
        }
        return median(&samples);
}

int main(int argc, char **argv)
{
        static struct program programs[PROGRAMS];

        if (argc != 5)
                errx(2, "usage: bench-host-local OURS GO EMPTY DIRECTORY");
        programs[OURS].path = programs[OURS_NONE].path = argv[1];
        programs[OURS].label = "ours";
        programs[OURS_NONE].label = "none";
        programs[GO].path = argv[2];
        programs[GO].label = "go";
        for (unsigned i = 0; i < PROGRAMS; i++)
                prepare(&programs[i], argv[4]);

        (void)printf("%-19s %6s         ours %7.2f ms\n", "empty program", "", floor_ms(argv[3]));
        for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
                for (unsigned i = 0; i < OURS_NONE; i++)
                        fill(&programs[i], s == 0 ? 0 : steps[s - 1].taken, steps[s].taken);
                sync(); /* else the disk is still busy with it */
                measure(programs, &steps[s]);
        }
        return 0;
}
