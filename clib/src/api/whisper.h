// The models that hosts have open, for all files of the API that work with them.
#pragma once

#include <memory>

#include "multimodal.h"
#include "whisper/model.h"

namespace mm::api {

// Throws Error(INVALID_HANDLE).
std::shared_ptr<const WhisperModel> find_model(const mm_whisper* model);

// "f32" or "f16"; static.
const char* weight_type(const WhisperModel& model);

}  // namespace mm::api
