package multimodal

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Paths of synthetic models.
var whisperPath, clipPath = os.Getenv("MM_TEST_WHISPER"), os.Getenv("MM_TEST_CLIP")

func open(t *testing.T) *Whisper {
	t.Helper()
	model, err := OpenWhisper(whisperPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Close)
	return model
}

func second() Audio {
	samples := make([]float32, 16000)
	for i := range samples {
		samples[i] = float32(i%97)/97 - 0.5
	}
	return Audio{samples, 16000}
}

func greedy() TranscribeOptions {
	return TranscribeOptions{Language: "en", Temperatures: []float32{0}, BeamSize: 1, MaxNewTokens: 8}
}

func TestErrorsHaveStatusAndMessage(t *testing.T) {
	_, err := OpenWhisper("there is no such file")
	var own *Error
	if !errors.As(err, &own) || own.Status != StatusIO || !strings.Contains(own.Message, "there is no such file") {
		t.Fatal(err)
	}
	if StatusOf(nil) != OK || StatusOf(errors.New("another")) != StatusInternal {
		t.Fatal("status of other errors")
	}
	if _, err = OpenClip(whisperPath); StatusOf(err) != StatusBadModel {
		t.Fatal(err)
	}
}

func TestWhatIsClosedIsAnErrorAndClosingTwiceDoesNothing(t *testing.T) {
	model := open(t)
	transcript, err := model.OpenTranscript(greedy())
	if err != nil {
		t.Fatal(err)
	}
	model.Close()
	model.Close()
	if _, err := model.Tokenize("words"); StatusOf(err) != StatusInvalidHandle {
		t.Fatal(err)
	}
	if err := transcript.Push(second()); err != nil { // keeps its model
		t.Fatal(err)
	}
	transcript.Close()
	transcript.Close()
	if err := transcript.Push(second()); StatusOf(err) != StatusInvalidHandle {
		t.Fatal(err)
	}
}

func TestPanicsOfCallbacksGoOnInGo(t *testing.T) {
	model := open(t)
	for name, set := range map[string]func(*TranscribeOptions){
		"token":    func(o *TranscribeOptions) { o.OnToken = func(Token) bool { panic("bang") } },
		"segment":  func(o *TranscribeOptions) { o.OnSegment = func(Segment) bool { panic("bang") } },
		"progress": func(o *TranscribeOptions) { o.OnProgress = func(float64, float64) bool { panic("bang") } },
		"proceed":  func(o *TranscribeOptions) { o.Proceed = func() bool { panic("bang") } },
	} {
		options := greedy()
		set(&options)
		func() {
			defer func() {
				if recover() != "bang" {
					t.Errorf("%s: the panic is lost", name)
				}
			}()
			model.Transcribe(second(), options)
		}()
	}
	if transcript, err := model.Transcribe(second(), greedy()); err != nil { // still usable
		t.Fatal(err)
	} else {
		transcript.Close()
	}
}

func TestCallbacksStopACallAtOnce(t *testing.T) {
	calls := 0
	options := greedy()
	options.OnToken = func(Token) bool { calls++; return calls < 3 }
	if _, err := open(t).Transcribe(second(), options); StatusOf(err) != StatusAborted || calls != 3 {
		t.Fatal(err, calls)
	}
	_, err := Resample(Audio{second().Samples, 44100}, 16000, Run{Proceed: func() bool { return false }})
	if StatusOf(err) != StatusAborted {
		t.Fatal(err)
	}
}

func TestGoroutinesShareAModel(t *testing.T) {
	model := open(t)
	texts := make([]string, 8)
	var all sync.WaitGroup
	for i := range texts {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			options := greedy()
			options.OnToken = func(token Token) bool { texts[i] += token.Text; return true }
			transcript, err := model.Transcribe(second(), options)
			if err != nil {
				t.Error(err)
				return
			}
			runtime.GC() // moves and frees what C must not hold
			transcript.Close()
		}(i)
	}
	all.Wait()
	for _, text := range texts {
		if text != texts[0] || text == "" {
			t.Fatalf("%q is not %q", text, texts[0])
		}
	}
}

func TestWhatIsForgottenIsClosed(t *testing.T) {
	for i := 0; i < 50; i++ {
		vad, err := OpenVad("")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := vad.Process(make([]float32, 512)); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
	}
}

func TestPicturesThatDoNotFitTheirBytesAreRefused(t *testing.T) {
	for _, picture := range []Picture{{}, {make([]byte, 11), 2, 2, 0}, {make([]byte, 12), 2, 2, 7}, {make([]byte, 12), 2, 2, 5}} {
		if _, err := ResizeImage(picture, 1, 1, Bicubic, Run{}); StatusOf(err) != StatusInvalidArgument {
			t.Errorf("%v: %v", picture, err)
		}
	}
	if _, err := ResizeImage(Picture{make([]byte, 13), 2, 2, 7}, 1, 1, Bicubic, Run{}); err != nil {
		t.Fatal(err)
	}
}

func TestEmptyInputsAreWhatTheyAreInC(t *testing.T) {
	model, err := OpenClip(clipPath)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if rows, err := model.EncodeText(nil, ClipOptions{}); err != nil || len(rows) != 0 {
		t.Fatal(rows, err)
	}
	if rows, err := model.EncodeText([]string{"", "a cat"}, ClipOptions{}); err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	if _, err := model.EncodeImage([][]byte{nil}, ClipOptions{}); StatusOf(err) != StatusInvalidArgument {
		t.Fatal(err)
	}
	if _, err := DecodeImage(nil, false, Run{}); StatusOf(err) != StatusInvalidArgument {
		t.Fatal(err)
	}
}
