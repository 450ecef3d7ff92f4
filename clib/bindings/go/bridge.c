#include "bridge.h"

#include "_cgo_export.h"

static int32_t on_token(const mm_token* token, void* user_data) {
    return mmGoToken((mm_token*)token, (uintptr_t)user_data);
}
static int32_t on_segment(const mm_segment* segment, void* user_data) {
    return mmGoSegment((mm_segment*)segment, (uintptr_t)user_data);
}
static int32_t on_progress(double done, double total, void* user_data) {
    return mmGoProgress(done, total, (uintptr_t)user_data);
}
static int32_t should_abort(void* user_data) {
    return mmGoProceed((uintptr_t)user_data);
}

void mm_go_set_callbacks(mm_transcribe_options* options, int callbacks, uintptr_t handle) {
    options->on_token = callbacks & MM_GO_TOKEN ? on_token : NULL;
    options->on_segment = callbacks & MM_GO_SEGMENT ? on_segment : NULL;
    options->on_progress = callbacks & MM_GO_PROGRESS ? on_progress : NULL;
    options->should_abort = callbacks & MM_GO_PROCEED ? should_abort : NULL;
    options->user_data = (void*)handle;
}

mm_run_options mm_go_run_options(int32_t threads, int callbacks, uintptr_t handle) {
    const mm_run_options options = {sizeof(mm_run_options), threads, callbacks & MM_GO_PROCEED ? should_abort : NULL,
                                    (void*)handle};
    return options;
}
