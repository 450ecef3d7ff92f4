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

// Clip is an open model of pictures and texts.
type Clip struct{ handle *C.mm_clip }

// ClipInfo says what a model is.
type ClipInfo struct {
	EmbeddingDim, ImageSize, ContextLength, Vocabulary int
	HasTokenizer, UsesSigmoid                          bool
	LogitScale, LogitBias                              float32
	WeightType                                         string
}

// ClipOptions say how pictures and texts are embedded. The zero value means: embeddings of length 1.
type ClipOptions struct {
	Raw             bool // not normalised
	ExifOrientation bool
	Run
}

// OpenClip opens a model file.
func OpenClip(path string) (*Clip, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	model := &Clip{}
	var message *C.char
	if err := fail(C.mm_clip_open(cPath, nil, &model.handle, &message), message); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(model, (*Clip).Close)
	return model, nil
}

// Close closes the model; what other goroutines do with it goes on until it is done.
func (m *Clip) Close() {
	runtime.SetFinalizer(m, nil)
	C.mm_clip_close(m.handle)
}

// Info says what the model is.
func (m *Clip) Info() (ClipInfo, error) {
	info := C.mm_clip_info{struct_size: C.sizeof_mm_clip_info}
	err := fail(C.mm_clip_info_get(m.handle, &info), nil)
	runtime.KeepAlive(m)
	if err != nil {
		return ClipInfo{}, err
	}
	return ClipInfo{int(info.embedding_dim), int(info.image_size), int(info.context_length), int(info.n_vocab),
		info.has_tokenizer != 0, info.uses_sigmoid != 0, float32(info.logit_scale), float32(info.logit_bias),
		C.GoString(info.weight_type)}, nil
}

func (o ClipOptions) options() C.mm_clip_options {
	c := C.mm_clip_options{struct_size: C.sizeof_mm_clip_options}
	if o.Raw {
		c.normalize = C.MM_SWITCH_OFF
	}
	if o.ExifOrientation {
		c.exif_orientation = C.MM_SWITCH_ON
	}
	return c
}

// SpaceID names the space that embeddings lie in; those of different spaces must not be compared.
func (m *Clip) SpaceID(options ClipOptions) (string, error) {
	c := options.options()
	var out, message *C.char
	err := fail(C.mm_clip_space_id(m.handle, &c, &out, &message), message)
	runtime.KeepAlive(m)
	if err != nil {
		return "", err
	}
	defer C.mm_free(unsafe.Pointer(out))
	return C.GoString(out), nil
}

type encode func(*C.mm_clip_options, *C.mm_run_options, **C.float, *C.size_t, **C.char) C.mm_status

// rows calls C and cuts what it gives into n rows.
func (m *Clip) rows(n int, options ClipOptions, call encode) ([][]float32, error) {
	c := options.options()
	var out *C.float
	var length C.size_t
	err := options.call(func(run *C.mm_run_options, message **C.char) C.mm_status {
		return call(&c, run, &out, &length, message)
	})
	runtime.KeepAlive(m)
	if err != nil {
		return nil, err
	}
	values := taken[float32](out, length)
	rows := make([][]float32, n)
	for i := range rows {
		dim := len(values) / n
		rows[i] = values[i*dim : (i+1)*dim : (i+1)*dim]
	}
	return rows, nil
}

// pinned makes an array for C of bytes that it reads in place.
func pinned[T string | []byte](values []T, pinner *runtime.Pinner) []C.mm_bytes {
	array := make([]C.mm_bytes, len(values))
	for i, value := range values {
		if bytes := []byte(value); len(bytes) > 0 {
			pinner.Pin(&bytes[0])
			array[i] = C.mm_bytes{data: unsafe.Pointer(&bytes[0]), len: C.size_t(len(bytes))}
		}
	}
	return array
}

// EncodeImage embeds JPEG or PNG files, a row each.
func (m *Clip) EncodeImage(files [][]byte, options ClipOptions) ([][]float32, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	inputs := pinned(files, &pinner)
	return m.rows(len(files), options,
		func(c *C.mm_clip_options, run *C.mm_run_options, out **C.float, n *C.size_t, message **C.char) C.mm_status {
			return C.mm_clip_encode_image(m.handle, pointer(inputs), C.size_t(len(inputs)), c, run, out, n, message)
		})
}

// EncodePixels embeds pictures, a row each.
func (m *Clip) EncodePixels(pictures []Picture, options ClipOptions) ([][]float32, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	inputs := make([]C.mm_pixels, len(pictures))
	for i, picture := range pictures {
		if err := picture.check(); err != nil {
			return nil, err
		}
		inputs[i] = picture.pixels(&pinner)
	}
	return m.rows(len(pictures), options,
		func(c *C.mm_clip_options, run *C.mm_run_options, out **C.float, n *C.size_t, message **C.char) C.mm_status {
			return C.mm_clip_encode_pixels(m.handle, pointer(inputs), C.size_t(len(inputs)), c, run, out, n, message)
		})
}

// EncodeText embeds texts, a row each.
func (m *Clip) EncodeText(texts []string, options ClipOptions) ([][]float32, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	inputs := pinned(texts, &pinner)
	return m.rows(len(texts), options,
		func(c *C.mm_clip_options, run *C.mm_run_options, out **C.float, n *C.size_t, message **C.char) C.mm_status {
			return C.mm_clip_encode_text(m.handle, pointer(inputs), C.size_t(len(inputs)), c, run, out, n, message)
		})
}

// EncodeTokens embeds one text, given as token ids.
func (m *Clip) EncodeTokens(tokens []int32, options ClipOptions) ([]float32, error) {
	rows, err := m.rows(1, options,
		func(c *C.mm_clip_options, run *C.mm_run_options, out **C.float, n *C.size_t, message **C.char) C.mm_status {
			ids := (*C.int32_t)(pointer(tokens))
			return C.mm_clip_encode_tokens(m.handle, ids, C.size_t(len(tokens)), c, run, out, n, message)
		})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Preprocess gives a JPEG or PNG file as the image tower sees it: RGB8 of ImageSize x ImageSize.
func (m *Clip) Preprocess(file []byte, options ClipOptions) ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	input := pinned([][]byte{file}, &pinner)
	c := options.options()
	var out *C.uint8_t
	var n C.size_t
	err := options.call(func(run *C.mm_run_options, message **C.char) C.mm_status {
		return C.mm_clip_preprocess_image(m.handle, &input[0], &c, run, &out, &n, message)
	})
	runtime.KeepAlive(m)
	if err != nil {
		return nil, err
	}
	return taken[byte](out, n), nil
}

// Tokenize gives a text's token ids, start and end token included.
func (m *Clip) Tokenize(text string) ([]int32, error) {
	cText := C.CString(text)
	defer C.free(unsafe.Pointer(cText))
	var out *C.int32_t
	var n C.size_t
	var message *C.char
	err := fail(C.mm_clip_tokenize(m.handle, cText, C.size_t(len(text)), &out, &n, &message), message)
	runtime.KeepAlive(m)
	if err != nil {
		return nil, err
	}
	return taken[int32](out, n), nil
}

// Detokenize gives the text of token ids.
func (m *Clip) Detokenize(tokens []int32) (string, error) {
	var out, message *C.char
	var n C.size_t
	status := C.mm_clip_detokenize(m.handle, (*C.int32_t)(pointer(tokens)), C.size_t(len(tokens)), &out, &n, &message)
	runtime.KeepAlive(m)
	if err := fail(status, message); err != nil {
		return "", err
	}
	return takenText(out, n), nil
}
