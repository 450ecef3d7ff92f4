// What this processor can run and how many cores this process may use.
#pragma once

#include <string>

namespace mm {

bool cpu_has_avx2();    // with FMA and F16C
bool cpu_has_avx512();  // F, BW, DQ and VL

// Cores in the affinity mask, bounded by the cgroup quota; at least 1.
int available_cores();

// The CPU quota in cores, rounded up, of the cgroups listed in `membership` (the text of /proc/self/cgroup) below
// `mount` (/sys/fs/cgroup), versions 1 and 2; 0: none.
int cgroup_cores(const std::string& membership, const std::string& mount);

}  // namespace mm
