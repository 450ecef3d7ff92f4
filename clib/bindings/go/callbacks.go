package multimodal

/*
#include "bridge.h"
*/
import "C"

import "runtime/cgo"

// callbacks of a call, and what one of them panicked with until C has returned.
type callbacks struct {
	token    func(Token) bool
	segment  func(Segment) bool
	progress func(done, total float64) bool
	proceed  func() bool
	panicked any
}

func (c *callbacks) set() C.int {
	set := 0
	for i, is := range []bool{c.token != nil, c.segment != nil, c.progress != nil, c.proceed != nil} {
		if is {
			set |= 1 << i
		}
	}
	return C.int(set)
}

// rethrow lets a panic go on that was stopped before it reached C.
func (c *callbacks) rethrow() {
	if panicked := c.panicked; panicked != nil {
		c.panicked = nil
		panic(panicked)
	}
}

// run gives C's answer for what a callback says: 0 to go on.
func (c *callbacks) run(callback func() bool) (answer C.int32_t) {
	answer = 1
	defer func() { c.panicked = recover() }()
	if callback() {
		answer = 0
	}
	return
}

func of(handle C.uintptr_t) *callbacks { return cgo.Handle(handle).Value().(*callbacks) }

//export mmGoToken
func mmGoToken(token *C.mm_token, handle C.uintptr_t) C.int32_t {
	c := of(handle)
	return c.run(func() bool { return c.token(newToken(token)) })
}

//export mmGoSegment
func mmGoSegment(segment *C.mm_segment, handle C.uintptr_t) C.int32_t {
	c := of(handle)
	return c.run(func() bool { return c.segment(newSegment(segment)) })
}

//export mmGoProgress
func mmGoProgress(done, total C.double, handle C.uintptr_t) C.int32_t {
	c := of(handle)
	return c.run(func() bool { return c.progress(float64(done), float64(total)) })
}

//export mmGoProceed
func mmGoProceed(handle C.uintptr_t) C.int32_t {
	c := of(handle)
	return c.run(c.proceed)
}

// call makes a call of C's with the run's options.
func (r Run) call(call func(options *C.mm_run_options, message **C.char) C.mm_status) error {
	own := callbacks{proceed: r.Proceed}
	handle := cgo.NewHandle(&own)
	defer handle.Delete()
	options := C.mm_go_run_options(C.int32_t(r.Threads), own.set(), C.uintptr_t(handle))
	var message *C.char
	status := call(&options, &message)
	err := fail(status, message)
	own.rethrow()
	return err
}
