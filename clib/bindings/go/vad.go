package multimodal

/*
#include <multimodal.h>
#include <stdlib.h>
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Vad is a voice activity detector.
type Vad struct{ handle *C.mm_vad }

// VadOptions say what counts as speech; zero fields mean the defaults.
type VadOptions struct {
	Threshold, NegThreshold                float32
	MinSpeechMs, MinSilenceMs, SpeechPadMs int
	MaxSpeechS                             float32
}

// VadSegment is a run of speech, in seconds.
type VadSegment struct{ Start, End float64 }

// OpenVad opens a detector; an empty path means the built-in weights.
func OpenVad(path string) (*Vad, error) {
	var cPath, message *C.char
	if path != "" {
		cPath = C.CString(path)
		defer C.free(unsafe.Pointer(cPath))
	}
	vad := &Vad{}
	if err := fail(C.mm_vad_open(cPath, &vad.handle, &message), message); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(vad, (*Vad).Close)
	return vad, nil
}

// Close closes the detector.
func (v *Vad) Close() {
	runtime.SetFinalizer(v, nil)
	C.mm_vad_close(v.handle)
}

// Process gives the probability of speech in the next 512 samples at 16 kHz.
func (v *Vad) Process(samples []float32) (float32, error) {
	var probability C.float
	status := C.mm_vad_process(v.handle, (*C.float)(pointer(samples)), C.size_t(len(samples)), &probability)
	runtime.KeepAlive(v)
	return float32(probability), fail(status, nil)
}

// Probabilities gives one for each 32 ms of the whole audio.
func (v *Vad) Probabilities(audio Audio, run Run) ([]float32, error) {
	var out *C.float
	var n C.size_t
	err := run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_vad_probabilities(v.handle, audio.chunk(), options, &out, &n, message)
	})
	runtime.KeepAlive(v)
	if err != nil {
		return nil, err
	}
	return taken[float32](out, n), nil
}

// Segments gives the runs of speech in the whole audio.
func (v *Vad) Segments(audio Audio, options VadOptions, run Run) ([]VadSegment, error) {
	c := C.mm_vad_options{struct_size: C.sizeof_mm_vad_options, threshold: C.float(options.Threshold),
		neg_threshold: C.float(options.NegThreshold), min_speech_ms: C.int32_t(options.MinSpeechMs),
		min_silence_ms: C.int32_t(options.MinSilenceMs), speech_pad_ms: C.int32_t(options.SpeechPadMs),
		max_speech_s: C.float(options.MaxSpeechS)}
	var out *C.mm_vad_segment
	var n C.size_t
	err := run.call(func(runOptions *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_vad_segments(v.handle, audio.chunk(), &c, runOptions, &out, &n, message)
	})
	runtime.KeepAlive(v)
	if err != nil {
		return nil, err
	}
	defer C.mm_free(unsafe.Pointer(out))
	segments := make([]VadSegment, int(n))
	for i, segment := range unsafe.Slice(out, int(n)) {
		segments[i] = VadSegment{float64(segment.start), float64(segment.end)}
	}
	return segments, nil
}
