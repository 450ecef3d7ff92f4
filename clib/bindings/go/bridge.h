/* What Go cannot say of C: callbacks, and a handle in place of a pointer. */
#ifndef MM_GO_BRIDGE_H
#define MM_GO_BRIDGE_H

#include <multimodal.h>

enum { MM_GO_TOKEN = 1, MM_GO_SEGMENT = 2, MM_GO_PROGRESS = 4, MM_GO_PROCEED = 8 };

/* Sets the callbacks of a set of MM_GO_*, which lead to the Go value behind the handle. */
void mm_go_set_callbacks(mm_transcribe_options* options, int callbacks, uintptr_t handle);
mm_run_options mm_go_run_options(int32_t threads, int callbacks, uintptr_t handle);

#endif
