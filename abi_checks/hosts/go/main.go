// The conformance cases in Go, through the package multimodal but for those that are about misuse. See ../README.md.
package main

/*
#include <multimodal.h>
#include <stdlib.h>
#include <string.h>

static void fill(void *p, int value, size_t n) { memset(p, value, n); }
static mm_status open_missing(mm_whisper **out) {
    *out = (mm_whisper *)(uintptr_t)0xA5A5;
    return mm_whisper_open("there is no such file", NULL, out, NULL);
}
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"os"
	"strings"
	"unsafe"

	"multimodal"
)

var run = multimodal.Run{Threads: 2}

func show(name, format string, values ...any) {
	value := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(fmt.Sprintf(format, values...))
	fmt.Printf("{\"case\": \"%s\", \"value\": \"%s\"}\n", name, value)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func digest[T any](values ...T) string {
	h := fnv.New64a()
	add(h, values)
	return sum(h)
}
func add(h hash.Hash64, values any) {
	if err := binary.Write(h, binary.LittleEndian, values); err != nil {
		panic(err)
	}
}
func sum(h hash.Hash64) string { return fmt.Sprintf("%016x", h.Sum64()) }

// Results are copies in Go's memory; the alignment is that of what C hands out, see `aligned`.
func buffer[T any](values []T, length int) string {
	return fmt.Sprintf("%d %s %d", length, digest(values...), aligned())
}

func refusal(err error) string { return fmt.Sprintf("%d %s", multimodal.StatusOf(err), err) }
func float(x float32) string   { return fmt.Sprintf("%08x", math.Float32bits(x)) }
func double(x float64) string  { return fmt.Sprintf("%016x", math.Float64bits(x)) }
func ids(values []int32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", ","), "[]")
}

// aligned is the address modulo 64 of a buffer of C's.
func aligned() int {
	samples := []float32{0, 0.5, -0.5, 0.25}
	chunk := C.mm_audio_chunk{samples: (*C.float)(&samples[0]), len: 4, sample_rate: 16000}
	var out *C.float
	var n C.size_t
	C.mm_resample(chunk, 48000, nil, &out, &n, nil)
	defer C.mm_free(unsafe.Pointer(out))
	return int(uintptr(unsafe.Pointer(out)) % 64)
}

func audio(n int) []float32 {
	samples := make([]float32, n)
	state := uint32(1)
	for i := range samples {
		state = state*1664525 + 1013904223
		samples[i] = float32(int32(state>>8)-8388608) / 16777216
	}
	return samples
}

// ---- Version, files, audio ----

func version() {
	show("abi_version", "%d", multimodal.ABIVersion())
	show("version", "%s", multimodal.Version())
	for _, status := range []multimodal.Status{0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -1000} {
		show(fmt.Sprintf("status_string.%d", int32(status)), "%s", status)
	}
}

func files(whisper string) {
	_, err := multimodal.OpenWhisper("there is no such file")
	zeroed := ""
	var out *C.mm_whisper
	if C.open_missing(&out); out == nil {
		zeroed = " out=0"
	}
	show("missing_file", "%s%s", refusal(err), zeroed)
	json, err := multimodal.Verify(whisper, "")
	show("model_verify", "%d %s", multimodal.StatusOf(err), digest([]byte(json)...))
}

func audioCases() {
	samples := audio(32000)
	music := multimodal.Audio{Samples: samples[:4410], SampleRate: 44100}
	speech := multimodal.Audio{Samples: samples, SampleRate: 16000}
	resampled := must(multimodal.Resample(music, 16000, run))
	show("resample", "%s", buffer(resampled, len(resampled)))

	broken := audio(4410)
	broken[5] = float32(math.NaN())
	_, err := multimodal.Resample(multimodal.Audio{Samples: broken, SampleRate: 44100}, 16000, run)
	show("nan_sample", "%s", refusal(err))

	vad := must(multimodal.OpenVad(""))
	defer vad.Close()
	first, second := must(vad.Process(samples[:512])), must(vad.Process(samples[512:1024]))
	show("vad_process", "%s %s", float(first), float(second))
	probabilities := must(vad.Probabilities(speech, run))
	show("vad_probabilities", "%s", buffer(probabilities, len(probabilities)))
	segments := must(vad.Segments(speech, multimodal.VadOptions{Threshold: 0.01}, run))
	shown := fmt.Sprint(len(segments))
	for _, segment := range segments {
		shown += " " + double(segment.Start) + " " + double(segment.End)
	}
	show("vad_segments", "%s", shown)
	var options C.mm_vad_options
	show("options_too_small", "%d", C.mm_vad_options_init(&options, 2))
}

// ---- Speech ----

func flag(is bool) int {
	if is {
		return 1
	}
	return 0
}

func whisperModel(model *multimodal.Whisper, path string) {
	info := must(model.Info())
	show("whisper_info", "%d %d %d %d %d %d %s %d", info.Mels, info.AudioContext, info.TextContext, info.Vocabulary,
		flag(info.IsMultilingual), flag(info.IsMapped), info.WeightType, info.WeightBytes)

	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var raw *C.mm_whisper
	C.mm_whisper_open(cPath, nil, &raw, nil)
	defer C.mm_whisper_close(raw)
	var small, before C.mm_whisper_info
	C.fill(unsafe.Pointer(&before), 0xA5, C.sizeof_mm_whisper_info)
	before.struct_size = 8
	C.memcpy(unsafe.Pointer(&small), unsafe.Pointer(&before), C.sizeof_mm_whisper_info)
	status, kept := C.mm_whisper_info_get(raw, &small), ""
	if C.memcmp(unsafe.Pointer(&small), unsafe.Pointer(&before), C.sizeof_mm_whisper_info) == 0 {
		kept = " kept"
	}
	show("struct_size", "%d%s", status, kept)

	tokens := must(model.Tokenize(" hello world"))
	show("tokenize", "%s", ids(tokens))
	show("detokenize", "%s", must(model.Detokenize(tokens)))
}

func tensors(model *multimodal.Whisper, second multimodal.Audio) {
	mel, frames, err := model.LogMel(second, run)
	must(0, err)
	encoded := must(model.Encode(mel, 40, 20, run))
	logits := must(model.Logits(encoded, 20, []int32{50258, 50259, 50359, 50363}, run))
	show("log_mel", "%s", buffer(mel, frames))
	show("encode", "%s", buffer(encoded, len(encoded)))
	show("logits", "%s", buffer(logits, len(logits)))
	languages := must(model.DetectLanguage(second, run))
	show("detect_language", "%d %s %s", len(languages), languages[0].Code, float(languages[0].Probability))
}

func greedy() multimodal.TranscribeOptions {
	return multimodal.TranscribeOptions{Language: "en", Temperatures: []float32{0}, BeamSize: 1, MaxNewTokens: 8, Threads: 2}
}

// contents are the digests of texts and of ids of all segments.
func contents(transcript *multimodal.Transcript) (string, string) {
	texts, tokens := fnv.New64a(), fnv.New64a()
	for i := 0; i < must(transcript.Info()).Segments; i++ {
		segment := must(transcript.Segment(i))
		add(texts, []byte(segment.Text))
		for j := 0; j < segment.Tokens; j++ {
			add(tokens, must(transcript.Token(i, j)).ID)
		}
	}
	return sum(texts), sum(tokens)
}

func transcription(model *multimodal.Whisper, second multimodal.Audio) {
	calls, progressed, done, total := 0, 0, 0.0, 0.0
	heard := fnv.New64a()
	options := greedy()
	options.OnToken = func(token multimodal.Token) bool {
		calls++
		add(heard, token.ID)
		add(heard, token.Probability)
		return true
	}
	options.OnProgress = func(secondsDone, secondsTotal float64) bool {
		progressed++
		done, total = secondsDone, secondsTotal
		return true
	}
	transcript, err := model.Transcribe(second, options)
	show("transcribe", "%d %d %s", multimodal.StatusOf(err), calls, sum(heard))
	info := must(transcript.Info())
	texts, tokens := contents(transcript)
	transcript.Close()
	show("transcript", "%d %s %s %s %s", info.Segments, info.Language, double(info.Duration), texts, tokens)
	show("progress", "%d %s %s", progressed, double(done), double(total))

	stopped := 0
	options = greedy()
	options.OnToken = func(multimodal.Token) bool { stopped++; return stopped < 3 }
	_, err = model.Transcribe(second, options)
	show("callback_stops", "%d %d", multimodal.StatusOf(err), stopped)

	options = greedy()
	options.Proceed = func() bool { return false }
	_, err = model.Transcribe(second, options)
	show("should_abort", "%d", multimodal.StatusOf(err))
	show("user_data", "%d", flag(calls > 0 && progressed > 0)) // the closures got what they had captured
}

func stream(model *multimodal.Whisper, samples []float32) {
	var transcript *multimodal.Transcript
	var busy error
	options := greedy()
	options.OnToken = func(multimodal.Token) bool {
		_, busy = transcript.Info()
		return true
	}
	transcript = must(model.OpenTranscript(options))
	defer transcript.Close()
	pieces := []int{5000, 5000, 6000}
	for pushed := 0; ; {
		state := must(transcript.Step())
		if state == multimodal.Done {
			break
		}
		if state != multimodal.NeedsAudio {
			continue
		}
		if len(pieces) == 0 {
			must(0, transcript.Finish())
			continue
		}
		piece := samples[pushed : pushed+pieces[0]]
		must(0, transcript.Push(multimodal.Audio{Samples: piece, SampleRate: 16000}))
		pushed, pieces = pushed+pieces[0], pieces[1:]
	}
	show("busy", "%d", multimodal.StatusOf(busy))
	texts, _ := contents(transcript)
	show("stream", "%s", texts)
	show("last_error", "%s", refusal(transcript.Push(multimodal.Audio{Samples: samples[:100], SampleRate: 16000})))
}

func speech(path string) {
	samples := audio(16000)
	second := multimodal.Audio{Samples: samples, SampleRate: 16000}
	model := must(multimodal.OpenWhisper(path))
	whisperModel(model, path)
	tensors(model, second)
	transcription(model, second)
	stream(model, samples)
	model.Close()
	model.Close()
	_, err := model.Info()
	show("closed_handle", "%d", multimodal.StatusOf(err))
	_, err = new(multimodal.Whisper).Info()
	show("null_handle", "%d", multimodal.StatusOf(err))
}

// ---- Pictures and texts ----

func row(rows [][]float32) []float32 {
	var all []float32
	for _, row := range rows {
		all = append(all, row...)
	}
	return all
}

func clip(path, picturePath string) {
	file := must(os.ReadFile(picturePath))
	picture := must(multimodal.DecodeImage(file, false, run))
	show("image_decode", "%d %d %s", picture.Width, picture.Height, buffer(picture.RGB, len(picture.RGB)))
	small := must(multimodal.ResizeImage(picture, 20, 30, multimodal.Bicubic, run))
	show("image_resize", "%s", buffer(small.RGB, len(small.RGB)))

	model := must(multimodal.OpenClip(path))
	defer model.Close()
	info := must(model.Info())
	show("clip_info", "%d %d %d %d %d %s %s", info.EmbeddingDim, info.ImageSize, info.ContextLength, info.Vocabulary,
		flag(info.HasTokenizer), info.WeightType, float(info.LogitScale))
	options := multimodal.ClipOptions{Run: run}
	show("clip_space_id", "%s", must(model.SpaceID(options)))

	images := row(must(model.EncodeImage([][]byte{file, file}, options)))
	show("clip_encode_image", "%s", buffer(images, len(images)))
	width, stride := 3*picture.Width, 3*picture.Width+13
	apart := make([]byte, stride*picture.Height)
	for y := 0; y < picture.Height; y++ {
		copy(apart[y*stride:], picture.RGB[y*width:(y+1)*width])
	}
	strided := multimodal.Picture{RGB: apart, Width: picture.Width, Height: picture.Height, Stride: stride}
	pixels := row(must(model.EncodePixels([]multimodal.Picture{strided}, options)))
	show("clip_encode_pixels", "%s", buffer(pixels, len(pixels)))

	raw := multimodal.ClipOptions{Raw: true, Run: run}
	texts := row(must(model.EncodeText([]string{"a cat", "", "naïve café 猫"}, raw)))
	show("clip_encode_text", "%s", buffer(texts, len(texts)))
	tokens := must(model.Tokenize("a cat and the dog"))
	show("clip_tokenize", "%s", ids(tokens))
	embedding := must(model.EncodeTokens(tokens, options))
	show("clip_encode_tokens", "%s", buffer(embedding, len(embedding)))
	show("clip_detokenize", "%s", must(model.Detokenize(tokens)))
	square := must(model.Preprocess(file, options))
	show("clip_preprocess", "%s", buffer(square, len(square)))
	_, err := model.EncodeText([]string{"a\xff"}, options)
	show("invalid_utf8", "%s", refusal(err))
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintf(os.Stderr, "usage: %s WHISPER CLIP PICTURE\n", os.Args[0])
		os.Exit(2)
	}
	declarations()
	version()
	files(os.Args[1])
	audioCases()
	speech(os.Args[1])
	clip(os.Args[2], os.Args[3])
	C.mm_free(nil)
	C.mm_whisper_close(nil)
	C.mm_transcript_close(nil)
	C.mm_vad_close(nil)
	C.mm_clip_close(nil)
	show("free_null", "done")
}
