// Transcribes raw audio from standard input as it arrives, and prints each word while it is recognised: mono, 16 kHz,
// 32-bit float.
//
//	ffmpeg -i speech.mp3 -ar 16000 -ac 1 -f f32le - | ./transcribe whisper-tiny.en.gguf
//
// Build, in examples/go:
//
//	export CGO_CFLAGS="$(python -m pyffi --cflags)" CGO_LDFLAGS="$(python -m pyffi --libs)"
//	go build ./transcribe
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"multimodal"
)

func transcribe(path string, input io.Reader) error {
	model, err := multimodal.OpenWhisper(path)
	if err != nil {
		return err
	}
	defer model.Close()
	transcript, err := model.OpenTranscript(multimodal.TranscribeOptions{
		BeamSize: 1, // tokens come as they are chosen; a beam search gives them when a window is decided
		OnToken: func(token multimodal.Token) bool {
			fmt.Print(token.Text)
			return true // false stops
		},
	})
	if err != nil {
		return err
	}
	defer transcript.Close()

	bytes := make([]byte, 4*16000) // a second
	samples := make([]float32, 16000)
	for {
		state, err := transcript.Step()
		if err != nil || state == multimodal.Done {
			fmt.Println()
			return err
		}
		if state != multimodal.NeedsAudio {
			continue
		}
		n, err := io.ReadFull(input, bytes)
		if n >= 4 {
			heard := samples[:n/4]
			binary.Decode(bytes[:n/4*4], binary.LittleEndian, heard)
			err = transcript.Push(multimodal.Audio{Samples: heard, SampleRate: 16000})
		} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = transcript.Finish()
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s MODEL < audio.f32\n", os.Args[0])
		os.Exit(2)
	}
	if err := transcribe(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
