/* Memory between two pages that nobody may touch, itself only to be read: who writes to an input, or reads beyond its
 * ends, is caught at the very byte. */
#ifndef ABI_PROBES_GUARDED_H
#define ABI_PROBES_GUARDED_H

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

static struct {
    unsigned char* begin; /* of what may be read */
    size_t size;
    const unsigned char* input; /* what is looked at now */
    size_t length;
    const char* name;
    size_t n;
} guarded;

static void caught(int signal_number, siginfo_t* info, void* context) {
    const unsigned char* address = (const unsigned char*)info->si_addr;
    const unsigned char* end = guarded.input + guarded.length;
    char line[200];
    const char* what = "touched memory elsewhere:";
    long where = 0;
    (void)context;
    if (address >= guarded.begin && address < guarded.begin + guarded.size) {
        what = "wrote to its input, at byte";
        where = (long)(address - guarded.input);
    } else if (address >= end && address < end + 65536) {
        what = "went beyond its input's end by bytes:";
        where = (long)(address - end) + 1;
    } else if (address < guarded.input && address + 65536 > guarded.input) {
        what = "went before its input's start by bytes:";
        where = (long)(guarded.input - address);
    }
    const int size = snprintf(line, sizeof(line), "%s of %zu: signal %d, %s %ld\n", guarded.name, guarded.n,
                              signal_number, what, where);
    _exit(write(1, line, (size_t)size) == size ? 1 : 2);
}

static inline void make_guarded(size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct sigaction action;
    guarded.size = (size + page - 1) / page * page;
    unsigned char* whole =
        (unsigned char*)mmap(NULL, guarded.size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (whole == (unsigned char*)MAP_FAILED) give_up("mmap", "no memory");
    guarded.begin = whole + page;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = caught;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static inline void protect(int protection) {
    if (mprotect(guarded.begin, guarded.size, protection)) give_up("mprotect", "refused");
}

#endif
