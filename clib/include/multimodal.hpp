/* multimodal.hpp - C++11 over multimodal.h: handles and buffers that free themselves, exceptions, lambdas as callbacks.
 *
 *     multimodal::Whisper model("whisper-tiny.en.gguf");
 *     multimodal::TranscribeOptions options;
 *     options.on_token = [](const mm_token &token) { std::cout << token.text << std::flush; return true; };
 *     auto transcript = model.transcribe({samples, n, 16000}, options);
 *
 * Header only, with or without RTTI: a program that uses it needs the C functions and nothing else of the library. What
 * each call does, its units, its threads and its errors are multimodal.h's. What needs no owner is called as it is:
 * mm_abi_version, mm_version_string, mm_build_info, mm_set_log_callback.
 *
 * Ownership  Whisper, Transcript, Vad, Clip and Buffer own what they hold, can be moved and not copied, and free it
 *            when they end or are assigned to. One that was moved from is empty: calls on it fail with INVALID_HANDLE.
 *            mm_audio_chunk, mm_bytes and mm_pixels are borrowed during the call, and so is the text in options; a
 *            Transcript that was opened has copied it.
 * Options    that take no callback are C's, and may be NULL: OpenOptions, VadOptions, ImageOptions and ClipOptions are
 *            those structs, at their defaults (mm_vad_options_init writes them out).
 * Errors     A status other than MM_OK is thrown as Error. Memory that is lacking is std::bad_alloc.
 * Callbacks  return true to go on, false to stop (Error with MM_ERROR_ABORTED). An exception thrown in one stops the
 *            call and is thrown on by the function that made it; it never passes through C.
 */
#ifndef MULTIMODAL_HPP
#define MULTIMODAL_HPP

#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "multimodal.h"

namespace multimodal {

class Error : public std::runtime_error {
  public:
    Error(mm_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    mm_status status() const noexcept { return status_; }

  private:
    mm_status status_;
};

/* Elements that the library has handed out, 64-byte aligned. */
template <typename T>
class Buffer {
  public:
    Buffer() noexcept = default;
    Buffer(T* data, size_t size) noexcept : data_(data), size_(size) {}
    ~Buffer() { mm_free(data_); }
    Buffer(Buffer&& other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr, other.size_ = 0; }
    Buffer& operator=(Buffer&& other) noexcept {
        Buffer taken(std::move(other));
        std::swap(data_, taken.data_), std::swap(size_, taken.size_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    T* begin() noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    const T* begin() const noexcept { return data_; }
    const T* end() const noexcept { return data_ + size_; }
    T& operator[](size_t i) noexcept { return data_[i]; }
    const T& operator[](size_t i) const noexcept { return data_[i]; }

  private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

/* A struct of C that knows its size. All else is zero, which in options means defaults. */
template <typename Struct>
struct Sized : Struct {
    Sized() noexcept : Struct() { this->struct_size = sizeof(Struct); }
};
using OpenOptions = Sized<mm_open_options>;
using VadOptions = Sized<mm_vad_options>;
using ImageOptions = Sized<mm_image_options>;
using ClipOptions = Sized<mm_clip_options>;

/* How a call runs. */
struct RunOptions {
    int32_t threads = 0;           /* at most so many; 0: all cores this process may use */
    std::function<bool()> proceed; /* asked every few milliseconds; false stops the call */
};

/* mm_transcribe_options at their defaults, with callbacks that may be lambdas. */
struct TranscribeOptions : mm_transcribe_options {
    TranscribeOptions() : mm_transcribe_options() { mm_transcribe_options_init(this, sizeof(mm_transcribe_options)); }

    std::function<bool(const mm_token&)> on_token;
    std::function<bool(const mm_segment&)> on_segment;
    std::function<bool(double seconds_done, double seconds_total)> on_progress;
    std::function<bool()> proceed; /* as in RunOptions */

  private: /* in their place */
    using mm_transcribe_options::should_abort;
    using mm_transcribe_options::user_data;
};

namespace detail {

inline void check(mm_status status, const char* message = nullptr) {
    if (status == MM_ERROR_NO_MEMORY) throw std::bad_alloc();
    if (status != MM_OK) throw Error(status, message && *message ? message : mm_status_string(status));
}

/* The callbacks of a call, and what one of them has thrown until C has returned. Its address is the user_data. */
class Callbacks {
  public:
    explicit Callbacks(const RunOptions& run) { options_.proceed = run.proceed; }
    explicit Callbacks(const TranscribeOptions& options) : options_(options) {}

    /* Options for C that lead here. Text and arrays stay those of the TranscribeOptions that were given. */
    mm_transcribe_options transcribe_options() {
        mm_transcribe_options c = options_;
        c.user_data = this;
        c.on_token = options_.on_token ? token : nullptr;
        c.on_segment = options_.on_segment ? segment : nullptr;
        c.on_progress = options_.on_progress ? progress : nullptr;
        c.should_abort = options_.proceed ? abort : nullptr;
        return c;
    }
    mm_run_options run_options(int32_t threads) {
        return mm_run_options{sizeof(mm_run_options), threads, options_.proceed ? abort : nullptr, this};
    }

    /* After each call: throws what a callback has thrown, or the failure itself. BUSY is another call's callback. */
    void check(mm_status status, const char* message) {
        if (status != MM_ERROR_BUSY && thrown_) {
            std::exception_ptr thrown;
            std::swap(thrown, thrown_);
            std::rethrow_exception(thrown);
        }
        detail::check(status, message);
    }

  private:
    template <typename Function>
    int32_t run(const Function& function) noexcept {
        try {
            return function() ? 0 : 1;
        } catch (...) {
            thrown_ = std::current_exception();
            return 1;
        }
    }
    static Callbacks& self(void* user_data) noexcept { return *static_cast<Callbacks*>(user_data); }
    static int32_t token(const mm_token* token, void* user_data) {
        return self(user_data).run([&] { return self(user_data).options_.on_token(*token); });
    }
    static int32_t segment(const mm_segment* segment, void* user_data) {
        return self(user_data).run([&] { return self(user_data).options_.on_segment(*segment); });
    }
    static int32_t progress(double done, double total, void* user_data) {
        return self(user_data).run([&] { return self(user_data).options_.on_progress(done, total); });
    }
    static int32_t abort(void* user_data) {
        return self(user_data).run([&] { return self(user_data).options_.proceed(); });
    }

    TranscribeOptions options_;
    std::exception_ptr thrown_;
};

/* A message that a call may hand out. */
class Message {
  public:
    ~Message() { mm_free(text_); }
    Message() noexcept = default;
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    operator char**() noexcept { return &text_; }
    void check(mm_status status) const { detail::check(status, text_); }
    const char* text() const noexcept { return text_; }

  private:
    char* text_ = nullptr;
};

/* Calls function(arguments..., run, out, out_len, error_out) and owns what it hands out. */
template <typename T, typename Function, typename... Arguments>
Buffer<T> buffer_of(const RunOptions& options, const Function& function, Arguments... arguments) {
    Callbacks callbacks(options);
    const mm_run_options run = callbacks.run_options(options.threads);
    Message message;
    T* out = nullptr;
    size_t n = 0;
    const mm_status status = function(arguments..., &run, &out, &n, message);
    Buffer<T> result(out, n);
    callbacks.check(status, message.text());
    return result;
}

/* The same for functions that always run to their end. */
template <typename T, typename Function, typename... Arguments>
Buffer<T> short_buffer_of(const Function& function, Arguments... arguments) {
    return buffer_of<T>(RunOptions(), [&](const mm_run_options*, T** out, size_t* n, char** error) {
        return function(arguments..., out, n, error);
    });
}

/* Text that C allocates. */
template <typename Function, typename... Arguments>
std::string text_of(const Function& function, Arguments... arguments) {
    const Buffer<char> text = short_buffer_of<char>(function, arguments...);
    return std::string(text.begin(), text.end());
}

/* A handle, closed when it ends. */
template <typename Handle, void (*close)(Handle*)>
class Owner {
  public:
    Owner() noexcept = default;
    ~Owner() { close(handle_); }
    Owner(Owner&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    Owner& operator=(Owner&& other) noexcept {
        Owner taken(std::move(other));
        std::swap(handle_, taken.handle_);
        return *this;
    }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    Handle* get() const noexcept { return handle_; }
    Handle** out() noexcept { return &handle_; }

  private:
    Handle* handle_ = nullptr;
};

/* A struct that function(handle, out) fills in. */
template <typename Struct, typename Handle>
Struct filled(mm_status (*function)(const Handle*, Struct*), const Handle* handle) {
    Sized<Struct> value;
    check(function(handle, &value));
    return value;
}

}  // namespace detail

/* ---- Model files, audio, pictures ---- */

/* What a model file of any kind is, as JSON; throws if any of it is damaged. */
inline std::string verify_model(const std::string& path, const char* sha256 = nullptr) {
    detail::Message json, message;
    message.check(mm_model_verify(path.c_str(), sha256, json, message));
    return json.text();
}

inline Buffer<float> resample(mm_audio_chunk chunk, uint32_t target_rate, const RunOptions& options = RunOptions()) {
    return detail::buffer_of<float>(options, mm_resample, chunk, target_rate);
}

/* A decoded or resized picture: RGB8, row by row. */
struct Picture {
    Buffer<uint8_t> rgb;
    int32_t width, height;
    mm_pixels pixels() const noexcept { return mm_pixels{rgb.data(), width, height, 0}; }
};

inline Picture decode_image(mm_bytes file, const mm_image_options* decoding = nullptr,
                            const RunOptions& options = RunOptions()) {
    int32_t width = 0, height = 0;
    Buffer<uint8_t> rgb = detail::buffer_of<uint8_t>(
        options, [&](const mm_run_options* run, uint8_t** out, size_t* n, char** error) {
            const mm_status status = mm_image_decode(file.data, file.len, decoding, run, out, &width, &height, error);
            *n = 3 * static_cast<size_t>(width) * static_cast<size_t>(height);
            return status;
        });
    return Picture{std::move(rgb), width, height};
}

inline Picture resize_image(mm_pixels pixels, int32_t width, int32_t height, int32_t filter = MM_FILTER_BICUBIC,
                            const RunOptions& options = RunOptions()) {
    Buffer<uint8_t> rgb = detail::buffer_of<uint8_t>(
        options, [&](const mm_run_options* run, uint8_t** out, size_t* n, char** error) {
            const mm_status status = mm_image_resize(&pixels, width, height, filter, run, out, error);
            *n = status == MM_OK ? 3 * static_cast<size_t>(width) * static_cast<size_t>(height) : 0;
            return status;
        });
    return Picture{std::move(rgb), width, height};
}

/* ---- Voice activity: one thread at a time ---- */

class Vad {
  public:
    /* path: as for mm_vad_open; NULL for the built-in weights. */
    explicit Vad(const char* path = nullptr) {
        detail::Message message;
        message.check(mm_vad_open(path, handle_.out(), message));
    }
    float process(const float* samples, size_t n) {
        float probability = 0.0f;
        detail::check(mm_vad_process(handle_.get(), samples, n, &probability));
        return probability;
    }
    void reset() { detail::check(mm_vad_reset(handle_.get())); }
    Buffer<float> probabilities(mm_audio_chunk chunk, const RunOptions& options = RunOptions()) {
        return detail::buffer_of<float>(options, mm_vad_probabilities, handle_.get(), chunk);
    }
    Buffer<mm_vad_segment> segments(mm_audio_chunk chunk, const mm_vad_options* vad_options = nullptr,
                                    const RunOptions& options = RunOptions()) {
        return detail::buffer_of<mm_vad_segment>(options, mm_vad_segments, handle_.get(), chunk, vad_options);
    }
    mm_vad* get() const noexcept { return handle_.get(); }

  private:
    detail::Owner<mm_vad, mm_vad_close> handle_;
};

/* ---- Speech ---- */

/* A finished transcript, or one that is fed with push, step and finish. One thread at a time, but for abort. Text in
 * structs is valid until it ends. */
class Transcript {
  public:
    Transcript(Transcript&&) noexcept = default;
    Transcript& operator=(Transcript&& other) noexcept {
        Transcript taken(std::move(other)); /* leaves with what was held here, in the order of a destructor */
        std::swap(callbacks_, taken.callbacks_), std::swap(handle_, taken.handle_);
        return *this;
    }
    void push(mm_audio_chunk chunk) { check(mm_transcript_push(handle_.get(), chunk)); }
    void finish() { check(mm_transcript_finish(handle_.get())); }
    /* One of MM_STEP_*. */
    int32_t step() {
        int32_t state = MM_STEP_DONE;
        check(mm_transcript_step(handle_.get(), &state));
        return state;
    }
    void abort() { mm_transcript_abort(handle_.get()); }
    mm_transcript_info info() const { return read<mm_transcript_info>(mm_transcript_info_get); }
    mm_segment segment(size_t index) const { return read<mm_segment>(mm_transcript_segment, index); }
    mm_token token(size_t segment, size_t index) const {
        return read<mm_token>(mm_transcript_token, segment, index);
    }
    mm_word word(size_t segment, size_t index) const {
        return read<mm_word>(mm_transcript_word, segment, index);
    }
    std::string text() const {
        std::string whole;
        for (size_t i = 0, n = info().n_segments; i < n; ++i) {
            const mm_segment part = segment(i);
            whole.append(part.text, part.text_len);
        }
        return whole;
    }
    mm_transcript* get() const noexcept { return handle_.get(); }

  private:
    friend class Whisper;
    explicit Transcript(std::unique_ptr<detail::Callbacks> callbacks) : callbacks_(std::move(callbacks)) {}
    template <typename Struct, typename Function, typename... Indices>
    Struct read(const Function& function, Indices... indices) const {
        Sized<Struct> value;
        check(function(handle_.get(), indices..., &value));
        return value;
    }
    void check(mm_status status) const {
        if (!callbacks_) return detail::check(status);
        callbacks_->check(status, mm_transcript_last_error(handle_.get()));
    }

    std::unique_ptr<detail::Callbacks> callbacks_; /* outlives the handle, which calls it */
    detail::Owner<mm_transcript, mm_transcript_close> handle_;
};

/* An open model: any number of threads may use it. */
class Whisper {
  public:
    explicit Whisper(const std::string& path, const mm_open_options* options = nullptr) {
        detail::Message message;
        message.check(mm_whisper_open(path.c_str(), options, handle_.out(), message));
    }
    mm_whisper_info info() const { return detail::filled(mm_whisper_info_get, handle_.get()); }
    Transcript transcribe(mm_audio_chunk chunk, const TranscribeOptions& options = TranscribeOptions()) const {
        Transcript transcript(std::unique_ptr<detail::Callbacks>(new detail::Callbacks(options)));
        const mm_transcribe_options c = transcript.callbacks_->transcribe_options();
        detail::Message message;
        const mm_status status = mm_whisper_transcribe(handle_.get(), chunk, &c, transcript.handle_.out(), message);
        transcript.callbacks_->check(status, message.text());
        return transcript;
    }
    /* To be fed with push and step. The options' callbacks run in its calls. */
    Transcript open_transcript(const TranscribeOptions& options = TranscribeOptions()) const {
        Transcript transcript(std::unique_ptr<detail::Callbacks>(new detail::Callbacks(options)));
        const mm_transcribe_options c = transcript.callbacks_->transcribe_options();
        detail::Message message;
        const mm_status status = mm_transcript_open(handle_.get(), &c, transcript.handle_.out(), message);
        transcript.callbacks_->check(status, message.text());
        return transcript;
    }
    Buffer<mm_language> detect_language(mm_audio_chunk chunk, const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<mm_language>(options, mm_whisper_detect_language, handle_.get(), chunk);
    }
    /* [frames][n_mels] */
    Buffer<float> log_mel(mm_audio_chunk chunk, const RunOptions& options = RunOptions()) const {
        const size_t n_mels = static_cast<size_t>(info().n_mels);
        return detail::buffer_of<float>(options, [&](const mm_run_options* run, float** out, size_t* n, char** error) {
            const mm_status status = mm_whisper_log_mel(handle_.get(), chunk, run, out, n, error);
            *n *= n_mels;
            return status;
        });
    }
    Buffer<float> encode(const float* mel, size_t frames, int32_t audio_ctx = 0,
                         const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<float>(options, mm_whisper_encode, handle_.get(), mel, frames, audio_ctx);
    }
    Buffer<float> logits(const float* encoded, int32_t audio_ctx, const std::vector<int32_t>& tokens,
                         const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<float>(options, mm_whisper_logits, handle_.get(), encoded, audio_ctx, tokens.data(),
                                        tokens.size());
    }
    Buffer<int32_t> tokenize(const std::string& text) const {
        return detail::short_buffer_of<int32_t>(mm_whisper_tokenize, handle_.get(), text.data(), text.size());
    }
    std::string detokenize(const int32_t* tokens, size_t n_tokens) const {
        return detail::text_of(mm_whisper_detokenize, handle_.get(), tokens, n_tokens);
    }
    mm_whisper* get() const noexcept { return handle_.get(); }

  private:
    detail::Owner<mm_whisper, mm_whisper_close> handle_;
};

/* ---- Pictures and texts in one space: any number of threads ---- */

inline mm_bytes bytes_of(const std::string& text) noexcept {
    return mm_bytes{text.data(), text.size()};
}

class Clip {
  public:
    explicit Clip(const std::string& path, const mm_open_options* options = nullptr) {
        detail::Message message;
        message.check(mm_clip_open(path.c_str(), options, handle_.out(), message));
    }
    mm_clip_info info() const { return detail::filled(mm_clip_info_get, handle_.get()); }
    std::string space_id(const mm_clip_options* clip_options = nullptr) const {
        detail::Message id, message;
        message.check(mm_clip_space_id(handle_.get(), clip_options, id, message));
        return id.text();
    }
    /* Embeddings are [n][embedding_dim]. */
    Buffer<float> encode_image(const std::vector<mm_bytes>& files, const mm_clip_options* clip_options = nullptr,
                               const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<float>(options, mm_clip_encode_image, handle_.get(), files.data(), files.size(),
                                        clip_options);
    }
    Buffer<float> encode_pixels(const std::vector<mm_pixels>& pictures, const mm_clip_options* clip_options = nullptr,
                                const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<float>(options, mm_clip_encode_pixels, handle_.get(), pictures.data(), pictures.size(),
                                        clip_options);
    }
    Buffer<float> encode_text(const std::vector<std::string>& texts, const mm_clip_options* clip_options = nullptr,
                              const RunOptions& options = RunOptions()) const {
        std::vector<mm_bytes> inputs;
        for (const std::string& text : texts) inputs.push_back(bytes_of(text));
        return detail::buffer_of<float>(options, mm_clip_encode_text, handle_.get(), inputs.data(), inputs.size(),
                                        clip_options);
    }
    Buffer<float> encode_tokens(const int32_t* tokens, size_t n_tokens, const mm_clip_options* clip_options = nullptr,
                                const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<float>(options, mm_clip_encode_tokens, handle_.get(), tokens, n_tokens, clip_options);
    }
    /* RGB8 [image_size][image_size][3] */
    Buffer<uint8_t> preprocess(mm_bytes file, const mm_clip_options* clip_options = nullptr,
                               const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<uint8_t>(options, mm_clip_preprocess_image, handle_.get(), &file, clip_options);
    }
    Buffer<uint8_t> preprocess(mm_pixels picture, const mm_clip_options* clip_options = nullptr,
                               const RunOptions& options = RunOptions()) const {
        return detail::buffer_of<uint8_t>(options, mm_clip_preprocess_pixels, handle_.get(), &picture, clip_options);
    }
    Buffer<int32_t> tokenize(const std::string& text) const {
        return detail::short_buffer_of<int32_t>(mm_clip_tokenize, handle_.get(), text.data(), text.size());
    }
    std::string detokenize(const int32_t* tokens, size_t n_tokens) const {
        return detail::text_of(mm_clip_detokenize, handle_.get(), tokens, n_tokens);
    }
    mm_clip* get() const noexcept { return handle_.get(); }

  private:
    detail::Owner<mm_clip, mm_clip_close> handle_;
};

}  // namespace multimodal

#endif /* MULTIMODAL_HPP */
