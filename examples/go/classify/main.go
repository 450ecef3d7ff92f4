// Says which of several texts fit a picture best.
//
//	./classify emoji.gguf picture.png "a cat" "a dog" "a red apple"
//
// Build, in examples/go:
//
//	export CGO_CFLAGS="$(python -m pyffi --cflags)" CGO_LDFLAGS="$(python -m pyffi --libs)"
//	go build ./classify
package main

import (
	"fmt"
	"os"

	"multimodal"
)

func classify(path, picture string, labels []string) error {
	file, err := os.ReadFile(picture)
	if err != nil {
		return err
	}
	model, err := multimodal.OpenClip(path)
	if err != nil {
		return err
	}
	defer model.Close()
	images, err := model.EncodeImage([][]byte{file}, multimodal.ClipOptions{})
	if err != nil {
		return err
	}
	texts, err := model.EncodeText(labels, multimodal.ClipOptions{})
	if err != nil {
		return err
	}
	for i, text := range texts { // embeddings have length 1: the dot product is the cosine
		cosine := float32(0)
		for j, x := range text {
			cosine += x * images[0][j]
		}
		fmt.Printf("%6.3f  %s\n", cosine, labels[i])
	}
	return nil
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintf(os.Stderr, "usage: %s MODEL IMAGE TEXT...\n", os.Args[0])
		os.Exit(2)
	}
	if err := classify(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
