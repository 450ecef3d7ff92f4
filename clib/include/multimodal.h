/* multimodal.h - Whisper (speech to text) and CLIP (images and texts in one space) behind one plain C ABI.
 *
 * This file is the specification: what is not in it is not API.
 *
 * RULES
 *
 * Status     Functions that can fail return an mm_status: MM_OK or a negative MM_ERROR_*. Values are fixed for ever.
 *            Out-parameters are set to NULL or zero on entry, so a failed call leaves nothing to clean up.
 *
 * Messages   Functions that take `char **error_out` store a message there on failure: owned by caller, freed with
 *            mm_free; `error_out` may be NULL. Handles that belong to one thread keep their last message themselves
 *            (mm_transcript_last_error). There is no thread-local or global last error.
 *
 * Ownership  borrowed         the library reads it during this call only;
 *            owned by caller  free it with the function that is named, mm_free for plain buffers;
 *            static           never free it;
 *            of the handle    valid until that handle is closed.
 *            Buffers handed out are 64-byte aligned. mm_free and every close function accept NULL.
 *            A buffer is freed once, by mm_free alone: to free it twice, or to use it then, is undefined, as with free().
 *
 * Handles    are opaque tokens, never dereferenced by the library. Values are not reused: a call with a closed or a
 *            made-up handle returns MM_ERROR_INVALID_HANDLE and does no harm, and closing twice does nothing.
 *
 * Options    structs start with `uint32_t struct_size`, which the caller sets to sizeof the struct (the _init functions
 *            do it). All other fields zero means: defaults. Passing NULL for options means: defaults. A larger struct of
 *            a newer caller is accepted if the part unknown here is all zero. Structs that the library fills in start
 *            with the same field, set by the caller; no byte behind the caller's size is written.
 *
 * Text       is UTF-8, on every system, paths too. Lengths count bytes without the final NUL, which is always there.
 *
 * Callbacks  run on the thread that made the call, take `void *user_data` last, and return 0 to go on or anything else
 *            to stop with MM_ERROR_ABORTED. What they are handed is borrowed: valid until they return. They must not
 *            throw, longjmp or panic through the library: an exception that leaves a callback ends the process. A call
 *            back in on the handle that is busy returns MM_ERROR_BUSY.
 *
 * Threads    mm_whisper and mm_clip are immutable once open: any number of threads may use one at the same time, and it
 *            may be closed while in use (running work keeps the model alive). mm_transcript and mm_vad belong to one
 *            thread at a time (a second one gets MM_ERROR_BUSY); only mm_transcript_abort may be called from any thread
 *            at any time. Everything else may be called from any thread. Only the log callback is global to the process.
 *
 * Process    No call changes errno, signal handlers or masks, locale, current folder or umask. errno says nothing about
 *            what failed: statuses and messages do. A forked child may go on using what it has inherited, but for a
 *            mm_transcript or mm_vad that another thread was using at that moment; a call in whose callback the process
 *            forks ends in the child with MM_ERROR_ABORTED.
 *
 * Numbers    Every result is bit-identical on every processor and for every thread count. The library sets its own
 *            floating-point environment (round to nearest, no flush to zero) in each call and restores the caller's,
 *            also while a callback runs.
 */
#ifndef MULTIMODAL_H
#define MULTIMODAL_H

#include <stddef.h>
#include <stdint.h>

#ifndef MM_API
#if defined(_WIN32) && defined(MM_BUILD_SHARED)
#define MM_API __declspec(dllexport)
#elif defined(_WIN32) && !defined(MM_STATIC)
#define MM_API __declspec(dllimport)
#elif defined(__GNUC__)
#define MM_API __attribute__((visibility("default")))
#else
#define MM_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- begin of the plain region: the Python bindings are generated from it ---- */

/* ============================================== Version and status ============================================== */

/* The ABI number (that of the soname), the release number and what they were when a host was compiled. */
#define MM_ABI_VERSION 1
#define MM_VERSION_MAJOR 0
#define MM_VERSION_MINOR 1
#define MM_VERSION_PATCH 0

typedef int32_t mm_status;

enum {
    MM_OK = 0,
    MM_ERROR_INVALID_ARGUMENT = -1, /* an argument or option is out of its documented range */
    MM_ERROR_INVALID_HANDLE = -2,   /* the handle was closed, or never was one */
    MM_ERROR_NO_MEMORY = -3,        /* an allocation failed; nothing was lost */
    MM_ERROR_IO = -4,               /* a file could not be opened or read */
    MM_ERROR_BAD_MODEL = -5,        /* a model file is damaged, cut short, or not of the kind asked for */
    MM_ERROR_UNSUPPORTED = -6,      /* understood, but not possible with this model, build or machine */
    MM_ERROR_ABORTED = -7,          /* a callback or mm_transcript_abort asked to stop */
    MM_ERROR_BUSY = -8,             /* the handle is in use by another thread, or by the call that runs this callback */
    MM_ERROR_INTERNAL = -9          /* a fault of the library: please report it */
};

/* A switch in an options struct: zero leaves the default in force. */
enum { MM_SWITCH_DEFAULT = 0, MM_SWITCH_ON = 1, MM_SWITCH_OFF = -1 };

/* ABI number of the loaded library; compare it with MM_ABI_VERSION. Since 0.1. */
MM_API uint32_t mm_abi_version(void);

/* Release of the loaded library, such as "0.1.0". Returns: static. Since 0.1. */
MM_API const char *mm_version_string(void);

/* How the library was built and what it found here, as JSON: version, abi, compiler, architecture, kernel sets that were
 * compiled and that this processor runs, the one in use, cores it may use, third-party parts.
 * Returns: static. Since 0.1. */
MM_API const char *mm_build_info(void);

/* One line for a status, also for values this release does not know. Returns: static. Since 0.1. */
MM_API const char *mm_status_string(mm_status status);

/* Frees a buffer that the library handed out as "owned by caller". NULL is accepted. Since 0.1. */
MM_API void mm_free(void *buffer);

/* Severity of a log line. */
enum { MM_LOG_DEBUG = 0, MM_LOG_INFO = 1, MM_LOG_WARNING = 2 };

/* message: borrowed, UTF-8. Runs on whatever thread calls the library, one line at a time. */
typedef void (*mm_log_callback)(int32_t level, const char *message, void *user_data);

/* Sends the library's log lines to `callback`; NULL (the start) discards them. The library never prints by itself.
 * Global to the process. After return the previous callback runs no more. Since 0.1. */
MM_API void mm_set_log_callback(mm_log_callback callback, void *user_data);

/* Asked at least every 20 ms while the library works; anything but 0 stops the call with MM_ERROR_ABORTED. (Before it
 * returns it may give back memory, which with large models takes the system some tens of milliseconds.) */
typedef int32_t (*mm_abort_callback)(void *user_data);

/* How a call runs that has no other options for it: `run` is borrowed, NULL for defaults. */
typedef struct mm_run_options {
    uint32_t struct_size;
    int32_t threads;                 /* at most so many, 1 to 65536; 0: all cores this process may use */
    mm_abort_callback should_abort;  /* NULL: the call cannot be stopped */
    void *user_data;                 /* handed to it */
} mm_run_options;

/* ================================================= Model files ================================================== */

/* How a model is opened. */
typedef struct mm_open_options {
    uint32_t struct_size;
    int32_t lock_memory;         /* mm_switch: mlock the weights; off; failing to is UNSUPPORTED with the limit named */
    const char *sha256;          /* 64 hexadecimal digits the file must have, or NULL: not checked */
} mm_open_options;

/* Validates a model file of any kind that this library opens, down to each weight: none may be NaN or infinite. Reads
 * all of it; weights that are not used in place are packed for that, and freed again.
 * sha256  64 hexadecimal digits it must have, or NULL
 * json    kind, architecture, format, sha256, hyperparameters, weight type, bytes: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, IO, BAD_MODEL, UNSUPPORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_model_verify(const char *path, const char *sha256, char **json, char **error_out);

/* ==================================================== Audio ===================================================== */

/* Mono samples in [-1, 1]. Frozen: no field will ever be added.
 * samples      borrowed; NULL only with len 0; any alignment a float allows
 * len          number of samples
 * sample_rate  in hertz, 8000 to 192000; anything but 16000 is resampled
 * NaN and infinite samples are refused with MM_ERROR_INVALID_ARGUMENT and the index of the first one; finite values
 * outside [-1, 1] are accepted up to magnitude 1e6 and refused above. */
typedef struct mm_audio_chunk {
    const float *samples;
    size_t len;
    uint32_t sample_rate;
} mm_audio_chunk;

/* Resamples with a polyphase windowed sinc (stop band below -100 dB, pass band flat to 0.1 dB up to 0.45 of the lower
 * rate).
 * out      ceil(len * target_rate / sample_rate) samples: owned by caller, mm_free
 * out_len  their number
 * Errors: INVALID_ARGUMENT, ABORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_resample(mm_audio_chunk chunk, uint32_t target_rate, const mm_run_options *run, float **out,
                             size_t *out_len, char **error_out);

/* ============================================= Voice activity (Silero) ========================================== */

typedef struct mm_vad mm_vad;

/* Zero means default throughout. */
typedef struct mm_vad_options {
    uint32_t struct_size;
    float threshold;             /* speech starts at this probability, (0, 1); 0.5 */
    float neg_threshold;         /* and ends below this one, (0, 1); threshold - 0.15, at least 0.01 */
    int32_t min_speech_ms;       /* shorter runs of speech are dropped; 250; -1: none */
    int32_t min_silence_ms;      /* speech ends only after so much silence; 2000; -1: none */
    int32_t speech_pad_ms;       /* kept on both sides of speech; 400; -1: none */
    float max_speech_s;          /* longer runs are cut at the longest silence inside; 0: never */
} mm_vad_options;

/* A run of speech, in seconds from the start of the audio. */
typedef struct mm_vad_segment {
    double start;
    double end;
} mm_vad_segment;

/* Opens a voice activity detector.
 * path  a GGUF file of the Silero architecture, or NULL for the built-in Silero 6 weights (MIT)
 * out   owned by caller, mm_vad_close
 * Errors: INVALID_ARGUMENT, IO, BAD_MODEL, UNSUPPORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_vad_open(const char *path, mm_vad **out, char **error_out);
MM_API void mm_vad_close(mm_vad *vad);

/* Sets `options` to the defaults, explicitly. Writes no more than struct_size bytes; INVALID_ARGUMENT where
 * struct_size is less than the first release's. Since 0.1. */
MM_API mm_status mm_vad_options_init(mm_vad_options *options, uint32_t struct_size);

/* Speech probability of the next 32 ms, keeping state from call to call.
 * samples      exactly 512 samples at 16 kHz, borrowed
 * probability  in [0, 1]
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, BUSY. One thread at a time. Since 0.1. */
MM_API mm_status mm_vad_process(mm_vad *vad, const float *samples, size_t len, float *probability);

/* Forgets the state: the next sample is the first of new audio. Since 0.1. */
MM_API mm_status mm_vad_reset(mm_vad *vad);

/* Probability of each 32 ms of the whole audio; state before and after the call is that of a fresh detector.
 * out  one float per 512 samples at 16 kHz, the last padded with zeros: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, BUSY, ABORTED, NO_MEMORY. One thread at a time. Since 0.1. */
MM_API mm_status mm_vad_probabilities(mm_vad *vad, mm_audio_chunk chunk, const mm_run_options *run, float **out,
                                      size_t *out_len, char **error_out);

/* Runs of speech in the whole audio, in order, not overlapping.
 * options  borrowed, NULL for defaults
 * out      owned by caller, mm_free
 * Errors and threads: as mm_vad_probabilities. Since 0.1. */
MM_API mm_status mm_vad_segments(mm_vad *vad, mm_audio_chunk chunk, const mm_vad_options *options,
                                 const mm_run_options *run, mm_vad_segment **out, size_t *out_len, char **error_out);

/* ================================================ Speech: the model ============================================= */

typedef struct mm_whisper mm_whisper;

/* What a model is. */
typedef struct mm_whisper_info {
    uint32_t struct_size;
    int32_t n_mels;              /* 80 or 128 */
    int32_t n_audio_ctx;         /* encoder positions, 1500: 30 s */
    int32_t n_audio_state;       /* width of the encoder */
    int32_t n_audio_head;
    int32_t n_audio_layer;
    int32_t n_text_ctx;          /* decoder positions, 448 */
    int32_t n_text_state;
    int32_t n_text_head;
    int32_t n_text_layer;
    int32_t n_vocab;
    int32_t is_multilingual;
    int32_t n_languages;         /* 0 for English-only models */
    int32_t n_alignment_heads;   /* cross-attention heads that word times are read from */
    int32_t is_mapped;           /* 1: weights are used in place in the mapped file; 0: packed into memory */
    const char *weight_type;     /* "f32" or "f16"; static */
    uint64_t weight_bytes;
} mm_whisper_info;

/* Opens a Whisper model: GGUF written by `multimodal models convert` (mapped and used in place) or whisper.cpp's
 * ggml-*.bin (f32, f16, q8_0, q5_0, q5_1, q4_0; packed when opened). Before any of it is used the file's structure is
 * validated completely, and so is that no weight is NaN or infinite, but for the matrices of a GGUF: those are not read
 * before they are needed (mm_model_verify reads them). A GGUF must stay as it is until the model is closed. To replace
 * it by another file (rename, unlink) is harmless; to write to it changes results, and where it is cut short the system
 * ends the process with SIGBUS.
 *
 *     mm_whisper *model = NULL; char *error = NULL;
 *     if (mm_whisper_open("ggml-base.bin", NULL, &model, &error) != MM_OK) { puts(error); mm_free(error); }
 *
 * path     borrowed
 * options  borrowed, NULL for defaults
 * out      owned by caller, mm_whisper_close
 * Errors: INVALID_ARGUMENT, IO, BAD_MODEL, UNSUPPORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_whisper_open(const char *path, const mm_open_options *options, mm_whisper **out,
                                 char **error_out);

/* Closes the handle; work that is running keeps the model alive until it ends. Since 0.1. */
MM_API void mm_whisper_close(mm_whisper *model);

/* Fills `info`, whose struct_size the caller has set. Errors: INVALID_ARGUMENT, INVALID_HANDLE. Since 0.1. */
MM_API mm_status mm_whisper_info_get(const mm_whisper *model, mm_whisper_info *info);

/* ============================================= Speech: transcription ============================================ */

typedef struct mm_transcript mm_transcript;

enum { MM_TASK_TRANSCRIBE = 0, MM_TASK_TRANSLATE = 1 };

/* A token of a transcript. Times are NaN without word times. */
typedef struct mm_token {
    uint32_t struct_size;
    int32_t id;
    int32_t window;              /* which decoding window, counted from 0 */
    int32_t attempt;             /* which try at that window (temperature fallback), counted from 0 */
    const char *text;            /* the code points this token completes; empty in the middle of one, or if special */
    size_t text_len;
    double start;                /* seconds */
    double end;
    float probability;           /* (0, 1] */
} mm_token;

typedef struct mm_word {
    uint32_t struct_size;
    float probability;
    const char *text;            /* with its leading space and its punctuation */
    size_t text_len;
    double start;                /* seconds */
    double end;
} mm_word;

typedef struct mm_segment {
    uint32_t struct_size;
    int32_t id;                  /* counted from 0 */
    int64_t seek;                /* start of its decoding window, in frames of 10 ms */
    double start;                /* seconds */
    double end;
    const char *text;
    size_t text_len;
    size_t n_tokens;
    size_t n_words;              /* 0 without word times */
    float temperature;           /* that its window was decoded with */
    float avg_logprob;           /* mean log-probability of its window's tokens */
    float compression_ratio;     /* of its window's text */
    float no_speech_prob;        /* probability of the no-speech token at the start-of-transcript position */
} mm_segment;

/* A language and its probability. code: such as "en", NUL-terminated. */
typedef struct mm_language {
    char code[12];
    float probability;
} mm_language;

/* token, segment: borrowed until the callback returns. On tokens: those of the highest `attempt` of a window are the
 * ones that end up in the transcript; in beam search they come when the window is decided, else as they are chosen. */
typedef int32_t (*mm_token_callback)(const mm_token *token, void *user_data);
typedef int32_t (*mm_segment_callback)(const mm_segment *segment, void *user_data);
/* seconds_done, of seconds_total, which is negative while unknown. */
typedef int32_t (*mm_progress_callback)(double seconds_done, double seconds_total, void *user_data);

/* Zero means default throughout; names are those of openai/whisper and faster-whisper. */
typedef struct mm_transcribe_options {
    uint32_t struct_size;
    int32_t task;                        /* MM_TASK_*; transcribe */
    const char *language;                /* such as "en"; NULL: detect (English for English-only models) */
    const char *initial_prompt;          /* text before the first window; NULL: none. The last 223 tokens count. */
    int32_t threads;                     /* at most so many, 1 to 65536; 0: all cores this process may use */
    int32_t beam_size;                   /* 1 to 16 (1: greedy); 5. Used at temperature 0. */
    int32_t best_of;                     /* samples drawn above temperature 0, 1 to 16; 5 */
    float patience;                      /* of beam search, 0.001 to 100; 1 */
    float length_penalty;                /* exponent of ((5 + length) / 6), -10 to 10; 0: mean log-probability */
    const float *temperatures;           /* tried in order until a result passes, each 0 to 2; NULL: 0, 0.2, ... 1 */
    size_t n_temperatures;               /* 1 to 64; 0 with NULL */
    float compression_ratio_threshold;   /* > 0; above it the window is tried again; 2.4; INFINITY: off */
    float log_prob_threshold;            /* < 0; mean log-probability below it: tried again; -1; -INFINITY: off */
    float no_speech_threshold;           /* > 0; above it, and below log_prob_threshold: silence; 0.6; INFINITY: off */
    float prompt_reset_on_temperature;   /* > 0; above it previous text is forgotten; 0.5 */
    int32_t condition_on_previous_text;  /* mm_switch; on */
    int32_t suppress_blank;              /* mm_switch; on */
    const int32_t *suppress_tokens;      /* never produced; NULL: the non-speech set of openai/whisper */
    size_t n_suppress_tokens;            /* up to n_vocab; not NULL with 0: none but the control tokens */
    int32_t timestamps;                  /* mm_switch: timestamp tokens; on */
    float max_initial_timestamp;         /* seconds, up to 30; 1 */
    int32_t max_new_tokens;              /* per window, up to n_text_ctx; 0: half of that */
    int32_t word_timestamps;             /* mm_switch; off */
    const char *prepend_punctuations;    /* joined to the next word; NULL: openai/whisper's set */
    const char *append_punctuations;     /* joined to the previous word; NULL: openai/whisper's set */
    float hallucination_silence_threshold; /* seconds, up to 30; with word times, skip silence longer than it around
                                              suspected hallucinations; 0: off */
    int32_t vad_filter;                  /* mm_switch: skip what is not speech, by the built-in detector; off */
    const mm_vad_options *vad_options;   /* NULL: defaults */
    int32_t audio_ctx;                   /* encoder positions of 20 ms, 1 to n_audio_ctx: shorter windows, less work;
                                            0: all */
    uint64_t seed;                       /* of sampling above temperature 0; the same seed gives the same text */
    mm_token_callback on_token;          /* NULL: none, as the following */
    mm_segment_callback on_segment;
    mm_progress_callback on_progress;
    mm_abort_callback should_abort;
    void *user_data;                     /* handed to all of them */
} mm_transcribe_options;

/* Sets `options` to the defaults, explicitly. As mm_vad_options_init. Since 0.1. */
MM_API mm_status mm_transcribe_options_init(mm_transcribe_options *options, uint32_t struct_size);

/* Transcribes the whole audio. On failure, also when aborted, no transcript is returned.
 * options  borrowed with all it points to, NULL for defaults
 * out      owned by caller, mm_transcript_close
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, UNSUPPORTED, ABORTED, NO_MEMORY. Any thread, concurrently. Since 0.1. */
MM_API mm_status mm_whisper_transcribe(mm_whisper *model, mm_audio_chunk chunk, const mm_transcribe_options *options,
                                       mm_transcript **out, char **error_out);

/* Audio of any length in bounded memory: open, then push and step until done. The result is that of
 * mm_whisper_transcribe on the same audio, whatever the size of the pieces.
 *
 *     mm_transcript_open(model, NULL, &t, &error);
 *     for (;;) {
 *         int32_t state;
 *         if (mm_transcript_step(t, &state) != MM_OK) break;             // mm_transcript_last_error(t)
 *         if (state == MM_STEP_DONE) break;
 *         if (state == MM_STEP_NEEDS_AUDIO) { if (n = read(buf)) mm_transcript_push(t, chunk); else mm_transcript_finish(t); }
 *     }
 *
 * options are copied, with all they point to but user_data. The model may be closed before the transcript.
 * Errors: as mm_whisper_transcribe. Since 0.1. */
MM_API mm_status mm_transcript_open(mm_whisper *model, const mm_transcribe_options *options, mm_transcript **out,
                                    char **error_out);
MM_API void mm_transcript_close(mm_transcript *transcript);

/* Appends audio; all chunks must have the same sample rate. Samples are read before the call returns; should_abort may
 * be asked meanwhile. Refused audio (INVALID_ARGUMENT) leaves everything as it was.
 * Errors: INVALID_ARGUMENT (also after finish), INVALID_HANDLE, BUSY, ABORTED, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_transcript_push(mm_transcript *transcript, mm_audio_chunk chunk);

/* No more audio will come. What was held back is worked on, and should_abort asked, as by push.
 * Errors: INVALID_HANDLE, BUSY, ABORTED, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_transcript_finish(mm_transcript *transcript);

enum {
    MM_STEP_MORE = 0,        /* a window was decoded (segments may have been added): step again */
    MM_STEP_NEEDS_AUDIO = 1, /* push or finish first */
    MM_STEP_DONE = 2         /* all audio is transcribed */
};

/* Decodes at most one window. Callbacks run in here. After a failure, also one of push or finish, the
 * transcript keeps its segments and every further push, finish and step returns the same status.
 * state  one of MM_STEP_*
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, BUSY, ABORTED, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_transcript_step(mm_transcript *transcript, int32_t *state);

/* Stops the push, finish or step that is running within 20 ms, and every later one. Any thread, any time. Since 0.1. */
MM_API mm_status mm_transcript_abort(mm_transcript *transcript);

/* Message of the last failed call on this transcript. Returns: of the handle, valid until the next call on it; "" if
 * there was none, and for an invalid handle. Since 0.1. */
MM_API const char *mm_transcript_last_error(mm_transcript *transcript);

typedef struct mm_transcript_info {
    uint32_t struct_size;
    float language_probability;  /* 1 where the language was given, 0 until it is known */
    char language[12];           /* such as "en"; empty until it is known */
    double duration;             /* seconds of audio pushed so far */
    double duration_after_vad;   /* of it, what was kept for decoding */
    double done;                 /* seconds decoded so far */
    size_t n_segments;
} mm_transcript_info;

/* The following fill structs whose struct_size the caller has set. Text in them is of the handle.
 * Errors: INVALID_ARGUMENT (also an index out of range), INVALID_HANDLE, BUSY. Since 0.1. */
MM_API mm_status mm_transcript_info_get(mm_transcript *transcript, mm_transcript_info *info);
MM_API mm_status mm_transcript_segment(mm_transcript *transcript, size_t index, mm_segment *segment);
MM_API mm_status mm_transcript_token(mm_transcript *transcript, size_t segment, size_t index, mm_token *token);
MM_API mm_status mm_transcript_word(mm_transcript *transcript, size_t segment, size_t index, mm_word *word);

/* Languages of the first 30 s, most probable first.
 * out  owned by caller, mm_free; one entry for each language of the model
 * Errors: UNSUPPORTED for English-only models, else as mm_whisper_transcribe. Since 0.1. */
MM_API mm_status mm_whisper_detect_language(mm_whisper *model, mm_audio_chunk chunk, const mm_run_options *run,
                                            mm_language **out, size_t *out_len, char **error_out);

/* ============================================ Speech: tensors and tokens ======================================== */

/* Log-mel spectrogram, as openai/whisper defines it: 25 ms windows every 10 ms, log10, clamped to 8 below the maximum,
 * (x + 4) / 4.
 * out      [frames][n_mels], row-major: owned by caller, mm_free
 * frames   floor(samples at 16 kHz / 160)
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, ABORTED, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_whisper_log_mel(mm_whisper *model, mm_audio_chunk chunk, const mm_run_options *run, float **out,
                                    size_t *frames, char **error_out);

/* Runs the encoder.
 * mel        [frames][n_mels], borrowed; padded with zeros to 2 * audio_ctx frames, at most as many allowed
 * audio_ctx  encoder positions, 1 to n_audio_ctx; 0: n_audio_ctx
 * out        [audio_ctx][n_audio_state], row-major: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, ABORTED, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_whisper_encode(mm_whisper *model, const float *mel, size_t frames, int32_t audio_ctx,
                                   const mm_run_options *run, float **out, size_t *out_len, char **error_out);

/* Logits of every position of a token sequence, given encoder output.
 * encoded    [audio_ctx][n_audio_state], borrowed
 * tokens     1 to n_text_ctx ids, borrowed
 * out        [n_tokens][n_vocab], row-major: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, ABORTED, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_whisper_logits(mm_whisper *model, const float *encoded, int32_t audio_ctx, const int32_t *tokens,
                                   size_t n_tokens, const mm_run_options *run, float **out, size_t *out_len,
                                   char **error_out);

/* Text to token ids (byte-level BPE, no special tokens).
 * text     UTF-8, borrowed, text_len bytes; invalid UTF-8 is refused with its offset
 * out      owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_whisper_tokenize(mm_whisper *model, const char *text, size_t text_len, int32_t **out,
                                     size_t *out_len, char **error_out);

/* Token ids to text; special tokens are left out. Bytes that are not UTF-8 become U+FFFD.
 * out      NUL-terminated: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT (an id out of range), INVALID_HANDLE, NO_MEMORY. Since 0.1. */
MM_API mm_status mm_whisper_detokenize(mm_whisper *model, const int32_t *tokens, size_t n_tokens, char **out,
                                       size_t *out_len, char **error_out);

/* ==================================================== Images ==================================================== */

/* Bytes of the host: NULL only with len 0. Frozen: no field will ever be added. */
typedef struct mm_bytes {
    const void *data;
    size_t len;
} mm_bytes;

/* A picture of 8-bit red, green and blue, row by row from the top. Frozen: no field will ever be added.
 * data    borrowed; the colours of a pixel lie side by side
 * stride  bytes from the start of a row to that of the next, at least 3 * width; 0: 3 * width */
typedef struct mm_pixels {
    const uint8_t *data;
    int32_t width;
    int32_t height;
    size_t stride;
} mm_pixels;

/* How a picture is decoded. */
typedef struct mm_image_options {
    uint32_t struct_size;
    int32_t exif_orientation;    /* mm_switch: turn the picture as its EXIF data says; off */
    uint64_t max_pixels;         /* larger pictures are refused before they are decoded; 0: 178956970, Pillow's limit */
} mm_image_options;

enum { MM_FILTER_BICUBIC = 0, MM_FILTER_BILINEAR = 1 };

/* Decodes a JPEG or PNG file to the pixels of Pillow's Image.open(data).convert("RGB"), and refuses the files that it
 * refuses: grey, palettes and CMYK become RGB, transparency is dropped, of 16-bit grey the lower bits (cut off at 255)
 * and of 16-bit colours the upper ones are taken. With exif_orientation: after ImageOps.exif_transpose.
 *
 *     uint8_t *rgb = NULL; int32_t width, height; char *error = NULL;
 *     if (mm_image_decode(file, file_len, NULL, NULL, &rgb, &width, &height, &error) == MM_OK) mm_free(rgb);
 *
 * data     the whole file, borrowed
 * options  borrowed, NULL for defaults
 * out      RGB8 [height][width][3]: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT (no picture, damaged, cut short, more than max_pixels), UNSUPPORTED (another format, which
 * the message names), ABORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_image_decode(const void *data, size_t len, const mm_image_options *options,
                                 const mm_run_options *run, uint8_t **out, int32_t *width, int32_t *height,
                                 char **error_out);

/* Resizes a picture to the pixels of Pillow's Image.resize((width, height), filter), which does not alias.
 * pixels         borrowed
 * width, height  1 to 16777216
 * filter         MM_FILTER_*
 * out            RGB8 [height][width][3]: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, ABORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_image_resize(const mm_pixels *pixels, int32_t width, int32_t height, int32_t filter,
                                 const mm_run_options *run, uint8_t **out, char **error_out);

/* =================================================== CLIP: the model ============================================ */

typedef struct mm_clip mm_clip;

/* What a model is. Fields of a tower that it lacks are zero. */
typedef struct mm_clip_info {
    uint32_t struct_size;
    int32_t embedding_dim;       /* of the space that images and texts share */
    int32_t image_size;          /* of the square that the image tower sees, in pixels; 0: no image tower */
    int32_t patch_size;
    int32_t image_width;
    int32_t image_heads;
    int32_t image_layers;
    int32_t context_length;      /* tokens of a text, start and end included; 0: no text tower */
    int32_t n_vocab;
    int32_t text_width;
    int32_t text_heads;
    int32_t text_layers;
    int32_t has_tokenizer;       /* 0: texts are taken as token ids only */
    int32_t uses_sigmoid;        /* probabilities are the sigmoid of logits; 0: their softmax over the labels */
    float logit_scale;           /* logit = logit_scale * cosine + logit_bias */
    float logit_bias;
    int32_t is_mapped;           /* 1: weights are used in place in the mapped file; 0: packed into memory */
    const char *weight_type;     /* "f32" or "f16"; static */
    uint64_t weight_bytes;
} mm_clip_info;

/* How images and texts are embedded. */
typedef struct mm_clip_options {
    uint32_t struct_size;
    int32_t normalize;           /* mm_switch: embeddings have length 1, so that a dot product is the cosine; on */
    int32_t exif_orientation;    /* mm_switch: turn pictures as their EXIF data says; as the model's recipe says, which
                                    for all known models is off */
    uint64_t max_pixels;         /* as in mm_image_options */
} mm_clip_options;

/* Opens a CLIP model: GGUF written by `multimodal models convert` (mapped and used in place) or clip.cpp's (f32, f16,
 * q8_0, q5_0, q5_1, q4_0; packed when opened, with the defaults of docs/model-files.md for what it does not say). What
 * is validated when, and what may be done with an open file, is as for mm_whisper_open.
 * path     borrowed
 * options  borrowed, NULL for defaults
 * out      owned by caller, mm_clip_close
 * Errors: INVALID_ARGUMENT, IO, BAD_MODEL, UNSUPPORTED, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_clip_open(const char *path, const mm_open_options *options, mm_clip **out, char **error_out);

/* Closes the handle; work that is running keeps the model alive until it ends. Since 0.1. */
MM_API void mm_clip_close(mm_clip *model);

/* Fills `info`, whose struct_size the caller has set. Errors: INVALID_ARGUMENT, INVALID_HANDLE. Since 0.1. */
MM_API mm_status mm_clip_info_get(const mm_clip *model, mm_clip_info *info);

/* Names the space that embeddings lie in: 16 hexadecimal digits, a digest of the model file's SHA-256, its recipe for
 * pictures and texts, pooling and normalisation. Embeddings of different spaces must not be compared. The first call
 * reads the whole file.
 * options  borrowed; only `normalize` matters
 * out      NUL-terminated: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_clip_space_id(const mm_clip *model, const mm_clip_options *options, char **out, char **error_out);

/* ================================================= CLIP: embeddings ============================================= */

/* An embedding is the same whatever else is in its batch. Inputs and options are borrowed, NULL options mean defaults;
 * out is [n][embedding_dim], row-major: owned by caller, mm_free; out_len is the number of floats. n may be 0, and at
 * most 1048576. Where one input is at fault nothing is handed out, and the message names it.
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, UNSUPPORTED (the model lacks the tower or the tokenizer, the file format is
 * not read), ABORTED, NO_MEMORY. Any thread. Since 0.1. */

/* images: whole JPEG or PNG files, see mm_image_decode. */
MM_API mm_status mm_clip_encode_image(mm_clip *model, const mm_bytes *images, size_t n, const mm_clip_options *options,
                                      const mm_run_options *run, float **out, size_t *out_len, char **error_out);

/* images: RGB8 pictures of any size. */
MM_API mm_status mm_clip_encode_pixels(mm_clip *model, const mm_pixels *images, size_t n,
                                       const mm_clip_options *options, const mm_run_options *run, float **out,
                                       size_t *out_len, char **error_out);

/* texts: UTF-8; invalid UTF-8 is refused with its offset. What exceeds the model's context is cut off. */
MM_API mm_status mm_clip_encode_text(mm_clip *model, const mm_bytes *texts, size_t n, const mm_clip_options *options,
                                     const mm_run_options *run, float **out, size_t *out_len, char **error_out);

/* tokens: the ids of one text, 1 to context_length, start and end token included as the model wants it; padded if the
 * model's recipe says so. out is [embedding_dim]. */
MM_API mm_status mm_clip_encode_tokens(mm_clip *model, const int32_t *tokens, size_t n_tokens,
                                       const mm_clip_options *options, const mm_run_options *run, float **out,
                                       size_t *out_len, char **error_out);

/* A picture as the image tower sees it, before values are normalised. mm_clip_encode_pixels of the result gives what
 * mm_clip_encode_image or mm_clip_encode_pixels gives of the picture: to decode pictures on many threads and embed them
 * in batches.
 * image  a whole JPEG or PNG file, or RGB8 pixels; borrowed
 * out    RGB8 [image_size][image_size][3]: owned by caller, mm_free
 * Errors and threads: as mm_clip_encode_image. Since 0.1. */
MM_API mm_status mm_clip_preprocess_image(mm_clip *model, const mm_bytes *image, const mm_clip_options *options,
                                          const mm_run_options *run, uint8_t **out, size_t *out_len,
                                          char **error_out);
MM_API mm_status mm_clip_preprocess_pixels(mm_clip *model, const mm_pixels *image, const mm_clip_options *options,
                                           const mm_run_options *run, uint8_t **out, size_t *out_len,
                                           char **error_out);

/* Text to token ids, start and end token included, cut to context_length with the end token kept; not padded.
 * text     UTF-8, borrowed, text_len bytes; invalid UTF-8 is refused with its offset
 * out      owned by caller, mm_free
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE, UNSUPPORTED (no tokenizer), NO_MEMORY. Any thread. Since 0.1. */
MM_API mm_status mm_clip_tokenize(mm_clip *model, const char *text, size_t text_len, int32_t **out, size_t *out_len,
                                  char **error_out);

/* Token ids to text; special tokens are left out, words are separated by one space. Bytes that are not UTF-8 become
 * U+FFFD.
 * out      NUL-terminated: owned by caller, mm_free
 * Errors: INVALID_ARGUMENT (an id out of range), INVALID_HANDLE, UNSUPPORTED (no tokenizer), NO_MEMORY. Any thread.
 * Since 0.1. */
MM_API mm_status mm_clip_detokenize(mm_clip *model, const int32_t *tokens, size_t n_tokens, char **out, size_t *out_len,
                                    char **error_out);

/* ---- end of the plain region ---- */

#ifdef __cplusplus
}
#endif

#endif /* MULTIMODAL_H */
