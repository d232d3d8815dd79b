package fault

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestFaultIsOneSentenceWithAWayOutAndAQuote(t *testing.T) {
	f := &Fault{Message: "It is so.", Hint: "this", Cause: errors.New("line one\n  line two")}
	if got, want := f.Error(), "It is so. Try: this. Said: line one line two"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f = &Fault{Message: "It is so."}
	if got, want := f.Error(), "It is so."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestALongQuoteIsCut(t *testing.T) {
	f := &Fault{Message: "M.", Cause: errors.New(strings.Repeat("x", 5000))}
	if got := f.Error(); len(got) > 400 || !strings.HasSuffix(got, "…") {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestFromKeepsAFaultThroughWrapping(t *testing.T) {
	inner := &Fault{Code: CodePortTaken, Message: "M."}
	if got := From(errors.Join(fmt.Errorf("at start: %w", inner), errors.New("other"))); got != inner {
		t.Errorf("got %v", got)
	}
	if got := From(errors.New("boom")); got.Code != CodeOther || !strings.Contains(got.Error(), "boom") {
		t.Errorf("got %v", got)
	}
}

func TestAFullDiskIsKnownByNumberAndByText(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC, fmt.Errorf("wrapped: %w", syscall.EDQUOT), errors.New("write db: no space left on device"),
	} {
		if !IsDiskFull(err) {
			t.Errorf("%v is not known as a full disk", err)
		}
		if got := From(File("/d", err)); got.Code != CodeDiskFull {
			t.Errorf("%v: code %d", err, got.Code)
		}
	}
	for _, err := range []error{nil, syscall.EIO} {
		if IsDiskFull(err) {
			t.Errorf("%v is taken for a full disk", err)
		}
	}
}
