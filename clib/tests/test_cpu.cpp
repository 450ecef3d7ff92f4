// How many cores the cgroup quota leaves, read from made-up control groups of both versions.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "kernel_test.h"
#include "runtime/cpu.h"

namespace {

std::string mount;              // a temporary folder that stands for /sys/fs/cgroup
std::vector<std::string> made;  // in the order of creation

void folder(const std::string& path) {
    CHECK(mkdir((mount + path).c_str(), 0700) == 0, "%s", path.c_str());
    made.push_back(mount + path);
}
void file(const std::string& path, const char* text) {
    std::FILE* f = std::fopen((mount + path).c_str(), "w");
    CHECK(f != nullptr, "%s", path.c_str());
    if (f == nullptr) return;
    std::fputs(text, f);
    std::fclose(f);
    made.push_back(mount + path);
}
void expect(const char* membership, int cores) {
    const int got = mm::cgroup_cores(membership, mount);
    CHECK(got == cores, "\"%s\": %d cores, expected %d", membership, got, cores);
}

}  // namespace

int main() {
    char name[] = "/tmp/mm-cgroup-XXXXXX";
    if (mkdtemp(name) == nullptr) return 2;
    mount = name;
    for (const char* path : {"/a", "/a/b", "/free", "/tiny", "/bad", "/cpu", "/cpu/c", "/cpu/none"}) folder(path);
    file("/a/cpu.max", "350000 100000\n");
    file("/a/b/cpu.max", "max 100000\n");
    file("/free/cpu.max", "max 100000\n");
    file("/tiny/cpu.max", "5000 100000\n");
    file("/bad/cpu.max", "nonsense\n");
    file("/cpu/c/cpu.cfs_quota_us", "200000\n");
    file("/cpu/c/cpu.cfs_period_us", "100000\n");
    file("/cpu/none/cpu.cfs_quota_us", "-1\n");
    file("/cpu/none/cpu.cfs_period_us", "100000\n");

    expect("0::/a\n", 4);     // 3.5, rounded up
    expect("0::/a/b\n", 4);   // an ancestor's limit
    expect("0::/tiny\n", 1);  // never none at all
    expect("0::/free\n", 0);
    expect("0::/bad\n", 0);
    expect("0::/not/there\n", 0);
    expect("4:cpu,cpuacct:/c\n", 2);
    expect("4:cpu:/none\n", 0);
    expect("5:cpuset:/c\n", 0);  // another controller, whose name begins alike
    expect("4:cpu:/c\n0::/tiny\n", 1);
    expect("", 0);
    expect("no colons here\n0:\n", 0);
    CHECK(mm::available_cores() >= 1, "%d cores", mm::available_cores());

    for (size_t i = made.size(); i-- > 0;) CHECK(remove(made[i].c_str()) == 0, "%s", made[i].c_str());
    rmdir(name);
    return kernel_test::result();
}
