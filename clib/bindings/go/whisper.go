package multimodal

/*
#include "bridge.h"
#include <stdlib.h>
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// Whisper is an open model.
type Whisper struct{ handle *C.mm_whisper }

// WhisperInfo says what a model is.
type WhisperInfo struct {
	Mels, AudioContext, AudioState int
	TextContext, Vocabulary        int
	IsMultilingual, IsMapped       bool
	WeightType                     string
	WeightBytes                    uint64
}

// OpenWhisper opens a model file; an empty sha256 is not checked.
func OpenWhisper(path string) (*Whisper, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	model := &Whisper{}
	var message *C.char
	if err := fail(C.mm_whisper_open(cPath, nil, &model.handle, &message), message); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(model, (*Whisper).Close)
	return model, nil
}

// Close closes the model; what other goroutines do with it goes on until it is done.
func (w *Whisper) Close() {
	runtime.SetFinalizer(w, nil)
	C.mm_whisper_close(w.handle)
}

// Info says what the model is.
func (w *Whisper) Info() (WhisperInfo, error) {
	info := C.mm_whisper_info{struct_size: C.sizeof_mm_whisper_info}
	err := fail(C.mm_whisper_info_get(w.handle, &info), nil)
	runtime.KeepAlive(w)
	if err != nil {
		return WhisperInfo{}, err
	}
	return WhisperInfo{int(info.n_mels), int(info.n_audio_ctx), int(info.n_audio_state), int(info.n_text_ctx),
		int(info.n_vocab), info.is_multilingual != 0, info.is_mapped != 0, C.GoString(info.weight_type),
		uint64(info.weight_bytes)}, nil
}

// Token of a transcript. Start and End, in seconds, are NaN without word times.
type Token struct {
	ID, Window, Attempt int32
	Text                string
	Start, End          float64
	Probability         float32
}

// Segment of a transcript. Start and End in seconds.
type Segment struct {
	ID               int32
	Start, End       float64
	Text             string
	Tokens, Words    int
	Temperature      float32
	AvgLogprob       float32
	CompressionRatio float32
	NoSpeechProb     float32
}

// Word with its times in seconds.
type Word struct {
	Text        string
	Start, End  float64
	Probability float32
}

func newToken(t *C.mm_token) Token {
	return Token{int32(t.id), int32(t.window), int32(t.attempt), C.GoStringN(t.text, C.int(t.text_len)),
		float64(t.start), float64(t.end), float32(t.probability)}
}

func newSegment(s *C.mm_segment) Segment {
	return Segment{int32(s.id), float64(s.start), float64(s.end), C.GoStringN(s.text, C.int(s.text_len)),
		int(s.n_tokens), int(s.n_words), float32(s.temperature), float32(s.avg_logprob), float32(s.compression_ratio),
		float32(s.no_speech_prob)}
}

// TranscribeOptions say how audio is transcribed. The zero value means: the library's defaults.
type TranscribeOptions struct {
	Translate      bool
	Language       string // such as "en"; empty: detected
	InitialPrompt  string
	Threads        int
	BeamSize       int // 1: greedy
	BestOf         int
	Temperatures   []float32
	MaxNewTokens   int
	WordTimestamps bool
	NoTimestamps   bool
	VADFilter      bool
	AudioContext   int
	Seed           uint64

	OnToken    func(Token) bool
	OnSegment  func(Segment) bool
	OnProgress func(secondsDone, secondsTotal float64) bool
	Proceed    func() bool // false stops
}

// with calls back with the options for C, whose text lives until it returns.
func (o TranscribeOptions) with(own *callbacks, handle cgo.Handle, call func(*C.mm_transcribe_options)) {
	var c C.mm_transcribe_options
	C.mm_transcribe_options_init(&c, C.sizeof_mm_transcribe_options)
	texts := []struct {
		to   **C.char
		text string
	}{{&c.language, o.Language}, {&c.initial_prompt, o.InitialPrompt}}
	for _, text := range texts {
		if text.text != "" {
			*text.to = C.CString(text.text)
			defer C.free(unsafe.Pointer(*text.to))
		}
	}
	if len(o.Temperatures) > 0 {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		pinner.Pin(&o.Temperatures[0])
		c.temperatures = (*C.float)(&o.Temperatures[0])
		c.n_temperatures = C.size_t(len(o.Temperatures))
	}
	numbers := []struct {
		to *C.int32_t
		n  int
	}{{&c.threads, o.Threads}, {&c.beam_size, o.BeamSize}, {&c.best_of, o.BestOf}, {&c.max_new_tokens, o.MaxNewTokens},
		{&c.audio_ctx, o.AudioContext}}
	for _, number := range numbers {
		if number.n != 0 {
			*number.to = C.int32_t(number.n)
		}
	}
	if o.Translate {
		c.task = C.MM_TASK_TRANSLATE
	}
	if o.WordTimestamps {
		c.word_timestamps = C.MM_SWITCH_ON
	}
	if o.NoTimestamps {
		c.timestamps = C.MM_SWITCH_OFF
	}
	if o.VADFilter {
		c.vad_filter = C.MM_SWITCH_ON
	}
	c.seed = C.uint64_t(o.Seed)
	C.mm_go_set_callbacks(&c, own.set(), C.uintptr_t(handle))
	call(&c)
}

// Transcript is what was said: finished, or fed with Push, Step and Finish.
type Transcript struct {
	handle    *C.mm_transcript
	callbacks *callbacks
	user      cgo.Handle
}

func newTranscript(o TranscribeOptions) *Transcript {
	own := &callbacks{token: o.OnToken, segment: o.OnSegment, progress: o.OnProgress, proceed: o.Proceed}
	return &Transcript{callbacks: own, user: cgo.NewHandle(own)}
}

// opened makes the transcript its owner's, or ends it.
func (t *Transcript) opened(err error) (*Transcript, error) {
	if err == nil && t.callbacks.panicked == nil {
		runtime.SetFinalizer(t, (*Transcript).Close)
		return t, nil
	}
	t.Close()
	t.callbacks.rethrow()
	return nil, err
}

// Transcribe transcribes the whole audio.
func (w *Whisper) Transcribe(audio Audio, options TranscribeOptions) (*Transcript, error) {
	t := newTranscript(options)
	var message *C.char
	var err error
	options.with(t.callbacks, t.user, func(c *C.mm_transcribe_options) {
		err = fail(C.mm_whisper_transcribe(w.handle, audio.chunk(), c, &t.handle, &message), message)
	})
	runtime.KeepAlive(w)
	return t.opened(err)
}

// OpenTranscript opens a transcript to be fed with Push, Step and Finish; the model may be closed before it.
func (w *Whisper) OpenTranscript(options TranscribeOptions) (*Transcript, error) {
	t := newTranscript(options)
	var message *C.char
	var err error
	options.with(t.callbacks, t.user, func(c *C.mm_transcribe_options) {
		err = fail(C.mm_transcript_open(w.handle, c, &t.handle, &message), message)
	})
	runtime.KeepAlive(w)
	return t.opened(err)
}

// Close ends the transcript.
func (t *Transcript) Close() {
	runtime.SetFinalizer(t, nil)
	C.mm_transcript_close(t.handle)
	if t.user != 0 {
		t.user.Delete()
		t.user = 0
	}
}

func (t *Transcript) check(status C.mm_status) error {
	var err error
	if status != C.MM_OK {
		if message := C.GoString(C.mm_transcript_last_error(t.handle)); message != "" {
			err = &Error{Status(status), message}
		} else {
			err = fail(status, nil)
		}
	}
	runtime.KeepAlive(t)
	t.callbacks.rethrow()
	return err
}

// Push appends audio, which is read before it returns.
func (t *Transcript) Push(audio Audio) error {
	return t.check(C.mm_transcript_push(t.handle, audio.chunk()))
}

// Finish says that no more audio will come.
func (t *Transcript) Finish() error { return t.check(C.mm_transcript_finish(t.handle)) }

// State is what a step has left.
type State int32

const (
	More       State = C.MM_STEP_MORE        // step again
	NeedsAudio State = C.MM_STEP_NEEDS_AUDIO // push or finish first
	Done       State = C.MM_STEP_DONE
)

// Step decodes at most one window. Callbacks run in here.
func (t *Transcript) Step() (State, error) {
	var state C.int32_t
	err := t.check(C.mm_transcript_step(t.handle, &state))
	return State(state), err
}

// Abort stops what is running on the transcript, and all later work on it. Any goroutine, any time.
func (t *Transcript) Abort() { C.mm_transcript_abort(t.handle) }

// TranscriptInfo says how far a transcript is.
type TranscriptInfo struct {
	Language            string
	LanguageProbability float32
	Duration, Done      float64 // seconds
	Segments            int
}

// Info says how far the transcript is.
func (t *Transcript) Info() (TranscriptInfo, error) {
	info := C.mm_transcript_info{struct_size: C.sizeof_mm_transcript_info}
	if err := t.check(C.mm_transcript_info_get(t.handle, &info)); err != nil {
		return TranscriptInfo{}, err
	}
	return TranscriptInfo{C.GoString(&info.language[0]), float32(info.language_probability), float64(info.duration),
		float64(info.done), int(info.n_segments)}, nil
}

// Segment is the segment of an index.
func (t *Transcript) Segment(index int) (Segment, error) {
	segment := C.mm_segment{struct_size: C.sizeof_mm_segment}
	if err := t.check(C.mm_transcript_segment(t.handle, C.size_t(index), &segment)); err != nil {
		return Segment{}, err
	}
	return newSegment(&segment), nil
}

// Token is a token of a segment.
func (t *Transcript) Token(segment, index int) (Token, error) {
	token := C.mm_token{struct_size: C.sizeof_mm_token}
	if err := t.check(C.mm_transcript_token(t.handle, C.size_t(segment), C.size_t(index), &token)); err != nil {
		return Token{}, err
	}
	return newToken(&token), nil
}

// Word is a word of a segment.
func (t *Transcript) Word(segment, index int) (Word, error) {
	word := C.mm_word{struct_size: C.sizeof_mm_word}
	if err := t.check(C.mm_transcript_word(t.handle, C.size_t(segment), C.size_t(index), &word)); err != nil {
		return Word{}, err
	}
	return Word{C.GoStringN(word.text, C.int(word.text_len)), float64(word.start), float64(word.end),
		float32(word.probability)}, nil
}

// Text is that of all segments.
func (t *Transcript) Text() (string, error) {
	info, err := t.Info()
	var text strings.Builder
	for i := 0; err == nil && i < info.Segments; i++ {
		var segment Segment
		if segment, err = t.Segment(i); err == nil {
			text.WriteString(segment.Text)
		}
	}
	return text.String(), err
}

// Language and its probability.
type Language struct {
	Code        string
	Probability float32
}

// DetectLanguage gives the languages of the first 30 s, most probable first.
func (w *Whisper) DetectLanguage(audio Audio, run Run) ([]Language, error) {
	var out *C.mm_language
	var n C.size_t
	err := run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_whisper_detect_language(w.handle, audio.chunk(), options, &out, &n, message)
	})
	runtime.KeepAlive(w)
	if err != nil {
		return nil, err
	}
	defer C.mm_free(unsafe.Pointer(out))
	languages := make([]Language, int(n))
	for i, language := range unsafe.Slice(out, int(n)) {
		languages[i] = Language{C.GoString(&language.code[0]), float32(language.probability)}
	}
	return languages, nil
}

// LogMel is the log-mel spectrogram, [frames][mels].
func (w *Whisper) LogMel(audio Audio, run Run) (mel []float32, frames int, err error) {
	info, err := w.Info()
	if err != nil {
		return nil, 0, err
	}
	var out *C.float
	var n C.size_t
	err = run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_whisper_log_mel(w.handle, audio.chunk(), options, &out, &n, message)
	})
	runtime.KeepAlive(w)
	if err != nil {
		return nil, 0, err
	}
	return taken[float32](out, n*C.size_t(info.Mels)), int(n), nil
}

// Encode runs the encoder over [frames][mels]; audioContext 0 means all positions.
func (w *Whisper) Encode(mel []float32, frames, audioContext int, run Run) ([]float32, error) {
	info, err := w.Info()
	if err != nil {
		return nil, err
	}
	if frames < 0 || len(mel) < frames*info.Mels {
		return nil, &Error{StatusInvalidArgument, "mel is shorter than its frames"}
	}
	var out *C.float
	var n C.size_t
	err = run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_whisper_encode(w.handle, (*C.float)(pointer(mel)), C.size_t(frames), C.int32_t(audioContext), options,
			&out, &n, message)
	})
	runtime.KeepAlive(w)
	if err != nil {
		return nil, err
	}
	return taken[float32](out, n), nil
}

// Logits of every position of a token sequence, given encoder output of audioContext positions.
func (w *Whisper) Logits(encoded []float32, audioContext int, tokens []int32, run Run) ([]float32, error) {
	info, err := w.Info()
	if err != nil {
		return nil, err
	}
	if audioContext < 0 || len(encoded) < audioContext*info.AudioState {
		return nil, &Error{StatusInvalidArgument, "encoded is shorter than its positions"}
	}
	var out *C.float
	var n C.size_t
	err = run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_whisper_logits(w.handle, (*C.float)(pointer(encoded)), C.int32_t(audioContext),
			(*C.int32_t)(pointer(tokens)), C.size_t(len(tokens)), options, &out, &n, message)
	})
	runtime.KeepAlive(w)
	if err != nil {
		return nil, err
	}
	return taken[float32](out, n), nil
}

// Tokenize gives a text's token ids.
func (w *Whisper) Tokenize(text string) ([]int32, error) {
	cText := C.CString(text)
	defer C.free(unsafe.Pointer(cText))
	var out *C.int32_t
	var n C.size_t
	var message *C.char
	err := fail(C.mm_whisper_tokenize(w.handle, cText, C.size_t(len(text)), &out, &n, &message), message)
	runtime.KeepAlive(w)
	if err != nil {
		return nil, err
	}
	return taken[int32](out, n), nil
}

// Detokenize gives the text of token ids.
func (w *Whisper) Detokenize(tokens []int32) (string, error) {
	var out, message *C.char
	var n C.size_t
	status := C.mm_whisper_detokenize(w.handle, (*C.int32_t)(pointer(tokens)), C.size_t(len(tokens)), &out, &n, &message)
	runtime.KeepAlive(w)
	if err := fail(status, message); err != nil {
		return "", err
	}
	return takenText(out, n), nil
}
