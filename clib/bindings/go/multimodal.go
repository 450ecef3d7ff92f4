// Package multimodal is Whisper (speech to text) and CLIP (images and texts in one space) over the C ABI of
// libmultimodal. What each call does, its units and its errors are those of multimodal.h.
//
// # Build
//
// The package has no flags of its own; say where the library is:
//
//	export CGO_CFLAGS="$(python -m pyffi --cflags)" CGO_LDFLAGS="$(python -m pyffi --libs)"
//
// # Memory
//
// Nothing that C hands out is kept: results are copied into Go memory and freed. C keeps nothing of Go's after a call:
// samples, pictures and texts are read before it returns. Models, transcripts and detectors have a Close; a finalizer
// closes what was forgotten. Close may be called twice, and while other goroutines use the model.
//
// # Goroutines
//
// Any number may use one Whisper or Clip. A Transcript or Vad belongs to one at a time: another one gets StatusBusy.
// Abort may be called from any.
//
// # Callbacks
//
// Callbacks run on the goroutine that made the call, and return true to go on. One that panics stops the call, and the
// panic goes on from there, in Go: it never passes through C.
package multimodal

/*
#include <multimodal.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Status is what a call returned.
type Status int32

const (
	OK                    Status = C.MM_OK
	StatusInvalidArgument Status = C.MM_ERROR_INVALID_ARGUMENT
	StatusInvalidHandle   Status = C.MM_ERROR_INVALID_HANDLE
	StatusNoMemory        Status = C.MM_ERROR_NO_MEMORY
	StatusIO              Status = C.MM_ERROR_IO
	StatusBadModel        Status = C.MM_ERROR_BAD_MODEL
	StatusUnsupported     Status = C.MM_ERROR_UNSUPPORTED
	StatusAborted         Status = C.MM_ERROR_ABORTED
	StatusBusy            Status = C.MM_ERROR_BUSY
	StatusInternal        Status = C.MM_ERROR_INTERNAL
)

// String is the library's line for a status.
func (s Status) String() string { return C.GoString(C.mm_status_string(C.mm_status(s))) }

// Error is a failed call.
type Error struct {
	Status  Status
	Message string
}

func (e *Error) Error() string { return e.Message }

// StatusOf is the status of an error of this package, StatusInternal of others, and OK of nil.
func StatusOf(err error) Status {
	var own *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.Status
	}
	return StatusInternal
}

// Version is the release of the loaded library.
func Version() string { return C.GoString(C.mm_version_string()) }

// ABIVersion is the ABI number of the loaded library.
func ABIVersion() uint32 { return uint32(C.mm_abi_version()) }

// Audio is mono samples in [-1, 1] and their rate in hertz.
type Audio struct {
	Samples    []float32
	SampleRate uint32
}

// Run says how a call runs. Its zero value means: all cores, not to be stopped.
type Run struct {
	Threads int         // at most so many; 0: all cores this process may use
	Proceed func() bool // asked every few milliseconds; false stops the call
}

func (a Audio) chunk() C.mm_audio_chunk {
	chunk := C.mm_audio_chunk{len: C.size_t(len(a.Samples)), sample_rate: C.uint32_t(a.SampleRate)}
	if len(a.Samples) > 0 {
		chunk.samples = (*C.float)(&a.Samples[0])
	}
	return chunk
}

// fail makes an error of a status and a message of C's, which it frees.
func fail(status C.mm_status, message *C.char) error {
	if status == C.MM_OK {
		return nil
	}
	text := Status(status).String()
	if message != nil {
		text = C.GoString(message)
		C.mm_free(unsafe.Pointer(message))
	}
	return &Error{Status(status), text}
}

// Elements that C hands out.
type element interface {
	C.float | C.int32_t | C.uint8_t
}

// taken copies what C has handed out, and frees it.
func taken[To any, From element](data *From, n C.size_t) []To {
	result := make([]To, int(n))
	if n > 0 {
		copy(result, unsafe.Slice((*To)(unsafe.Pointer(data)), int(n)))
	}
	C.mm_free(unsafe.Pointer(data))
	return result
}

func takenText(text *C.char, n C.size_t) string {
	defer C.mm_free(unsafe.Pointer(text))
	return C.GoStringN(text, C.int(n))
}

func pointer[T any](values []T) *T {
	if len(values) == 0 {
		return nil
	}
	return &values[0]
}

// Resample changes the sample rate.
func Resample(audio Audio, targetRate uint32, run Run) ([]float32, error) {
	var out *C.float
	var n C.size_t
	err := run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_resample(audio.chunk(), C.uint32_t(targetRate), options, &out, &n, message)
	})
	if err != nil {
		return nil, err
	}
	return taken[float32](out, n), nil
}

// Verify checks a model file of any kind completely; it returns what the file is, as JSON. sha256 may be empty.
func Verify(path, sha256 string) (string, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var digest, json, message *C.char
	if sha256 != "" {
		digest = C.CString(sha256)
		defer C.free(unsafe.Pointer(digest))
	}
	if err := fail(C.mm_model_verify(cPath, digest, &json, &message), message); err != nil {
		return "", err
	}
	defer C.mm_free(unsafe.Pointer(json))
	return C.GoString(json), nil
}

// Picture is RGB8, row by row from the top. Stride is the bytes from row to row; 0: 3 * Width.
type Picture struct {
	RGB           []byte
	Width, Height int
	Stride        int
}

// check makes sure that C reads within the slice.
func (p Picture) check() error {
	stride := p.Stride
	if stride == 0 {
		stride = 3 * p.Width
	}
	if p.Width < 1 || p.Height < 1 || stride < 3*p.Width || len(p.RGB) < stride*(p.Height-1)+3*p.Width {
		return &Error{StatusInvalidArgument, fmt.Sprintf("a picture of %d x %d with a stride of %d does not fit %d bytes",
			p.Width, p.Height, stride, len(p.RGB))}
	}
	return nil
}

// pixels is the picture for C, which reads it in place until the pinner is unpinned.
func (p Picture) pixels(pinner *runtime.Pinner) C.mm_pixels {
	pinner.Pin(&p.RGB[0])
	return C.mm_pixels{data: (*C.uint8_t)(&p.RGB[0]), width: C.int32_t(p.Width), height: C.int32_t(p.Height),
		stride: C.size_t(p.Stride)}
}

// DecodeImage decodes a JPEG or PNG file as Pillow does.
func DecodeImage(file []byte, exifOrientation bool, run Run) (Picture, error) {
	options := C.mm_image_options{struct_size: C.sizeof_mm_image_options}
	if exifOrientation {
		options.exif_orientation = C.MM_SWITCH_ON
	}
	var out *C.uint8_t
	var width, height C.int32_t
	err := run.call(func(runOptions *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_image_decode(unsafe.Pointer(pointer(file)), C.size_t(len(file)), &options, runOptions, &out, &width,
			&height, message)
	})
	if err != nil {
		return Picture{}, err
	}
	size := C.size_t(width) * C.size_t(height) * 3
	return Picture{taken[byte](out, size), int(width), int(height), 0}, nil
}

// Filter is how pictures are resized.
type Filter int32

const (
	Bicubic  Filter = C.MM_FILTER_BICUBIC
	Bilinear Filter = C.MM_FILTER_BILINEAR
)

// ResizeImage resizes a picture as Pillow does, without aliasing.
func ResizeImage(picture Picture, width, height int, filter Filter, run Run) (Picture, error) {
	if err := picture.check(); err != nil {
		return Picture{}, err
	}
	var out *C.uint8_t
	err := run.call(func(options *C.mm_run_options, message **C.char) C.mm_status {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		pixels := picture.pixels(&pinner)
		return C.mm_image_resize(&pixels, C.int32_t(width), C.int32_t(height), C.int32_t(filter), options, &out,
			message)
	})
	if err != nil {
		return Picture{}, err
	}
	return Picture{taken[byte](out, C.size_t(width)*C.size_t(height)*3), width, height, 0}, nil
}
