#include "runtime/cpu.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

namespace mm {

#if defined(__x86_64__)
bool cpu_has_avx2() {
    unsigned eax, ebx, ecx = 0, edx;
    __get_cpuid(1, &eax, &ebx, &ecx, &edx);  // Clang 14 does not know "f16c" by name
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && (ecx & bit_F16C) != 0;
}
bool cpu_has_avx512() {
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
bool cpu_has_avx2() {
    return false;
}
bool cpu_has_avx512() {
    return false;
}
#endif

namespace {

std::string read_text(const std::string& path) {
    std::string text;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
    char block[4096];
    for (size_t n = sizeof block; file && n == sizeof block; text.append(block, n))
        n = std::fread(block, 1, sizeof block, file.get());
    return text;
}

int cores_of(double quota, double period) {
    if (!(quota > 0) || !(period > 0)) return 0;
    const double cores = quota / period;
    return cores >= 1e6 ? 0 : std::max(1, static_cast<int>(cores + 0.999999));
}

int quota_v2(const std::string& folder) {
    double quota = 0, period = 0;
    const std::string text = read_text(folder + "/cpu.max");  // "max 100000" or "150000 100000"
    return std::sscanf(text.c_str(), "%lf %lf", &quota, &period) == 2 ? cores_of(quota, period) : 0;
}

int quota_v1(const std::string& folder) {
    double quota = 0, period = 0;
    if (std::sscanf(read_text(folder + "/cpu.cfs_quota_us").c_str(), "%lf", &quota) != 1) return 0;
    if (std::sscanf(read_text(folder + "/cpu.cfs_period_us").c_str(), "%lf", &period) != 1) return 0;
    return cores_of(quota, period);
}

int tighter(int a, int b) {
    if (a == 0 || b == 0) return std::max(a, b);
    return std::min(a, b);
}

#if defined(__linux__)
int affinity_cores() {
    for (int size = 1024; size <= 1 << 20; size *= 2) {  // the kernel refuses a set smaller than its own
        std::vector<unsigned long> bits(static_cast<size_t>(size) / (8 * sizeof(unsigned long)));
        auto* set = reinterpret_cast<cpu_set_t*>(bits.data());
        if (sched_getaffinity(0, bits.size() * sizeof(unsigned long), set) == 0)
            return CPU_COUNT_S(bits.size() * sizeof(unsigned long), set);
        if (errno != EINVAL) break;
    }
    return static_cast<int>(std::thread::hardware_concurrency());
}
#endif

}  // namespace

int cgroup_cores(const std::string& membership, const std::string& mount) {
    int cores = 0;
    std::istringstream lines(membership);
    for (std::string line; std::getline(lines, line);) {  // "hierarchy:controllers:path"; version 2 is "0::path"
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const bool v2 = controllers == ",,";
        if (!v2 && controllers.find(",cpu,") == std::string::npos) continue;
        std::vector<std::string> roots;
        if (v2)
            roots = {mount};
        else
            roots = {mount + "/cpu", mount + "/cpu,cpuacct"};
        // A limit of any ancestor counts. In a container the path may name a folder that only the host sees.
        std::string path = line.substr(second + 1);
        while (true) {
            for (const std::string& root : roots)
                cores = tighter(cores, v2 ? quota_v2(root + path) : quota_v1(root + path));
            const size_t slash = path.rfind('/');
            if (slash == std::string::npos || path.size() <= 1) break;
            path.resize(slash == 0 ? 1 : slash);
        }
    }
    return cores;
}

int available_cores() {
#if defined(__linux__)
    const int cores = tighter(affinity_cores(), cgroup_cores(read_text("/proc/self/cgroup"), "/sys/fs/cgroup"));
#else
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
#endif
    return std::max(1, cores);
}

}  // namespace mm
