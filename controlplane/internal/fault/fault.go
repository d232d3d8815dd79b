// Package fault holds what can go wrong in words for the person who has to act on it: one sentence, one way
// out and one exit code. Every package returns faults; only the command prints them and exits.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Exit codes of quantix-controlplane. Supervisors and `qx up` read them: never renumber.
const (
	CodeOther      = 1
	CodeUsage      = 2
	CodePortTaken  = 10
	CodeDiskFull   = 11
	CodeCorrupt    = 12
	CodeForeignDir = 13
)

// Fault is an error that a user can be told about.
type Fault struct {
	Code    int
	Message string // what happened and why, with names and numbers; ends with a full stop
	Hint    string // what to do, without a full stop; may be empty
	Cause   error  // the foreign error, quoted after "Said:"; may be nil
}

// Error renders the one line that ends the program's standard error output.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Message)
	if f.Hint != "" {
		fmt.Fprintf(&b, " Try: %s.", f.Hint)
	}
	if f.Cause != nil {
		fmt.Fprintf(&b, " Said: %s", oneLine(f.Cause.Error()))
	}
	return b.String()
}

// Unwrap gives the foreign error.
func (f *Fault) Unwrap() error { return f.Cause }

// maxQuote keeps a quoted foreign error to the length of a sentence.
const maxQuote = 300

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxQuote {
		return text[:maxQuote] + "…"
	}
	return text
}

// From gives err as a Fault: itself when it is one, else a general one that quotes it.
func From(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{
		Code:    CodeOther,
		Message: "The control plane cannot run.",
		Hint:    "read the lines above; running VMs are not affected",
		Cause:   err,
	}
}

// IsDiskFull tells whether err, or a text that a library made of it, is the kernel's ENOSPC or EDQUOT.
func IsDiskFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	return err != nil && (strings.Contains(err.Error(), syscall.ENOSPC.Error()) ||
		strings.Contains(err.Error(), syscall.EDQUOT.Error()))
}

// DiskFull says that the disk of dir ran full while running.
func DiskFull(dir string, cause error) *Fault {
	return &Fault{
		Code:    CodeDiskFull,
		Message: fmt.Sprintf("The disk of %s is full.", dir),
		Hint:    "free some space, then start it again; what was acknowledged is kept",
		Cause:   cause,
	}
}

// Corrupt says that what is stored in dir cannot be used.
func Corrupt(dir, what string, cause error) *Fault {
	return &Fault{
		Code:    CodeCorrupt,
		Message: fmt.Sprintf("The data directory %s is damaged: %s.", dir, what),
		Hint:    "restore it from a backup, or move it away to begin with an empty one; running VMs are not affected",
		Cause:   cause,
	}
}

// File says that a file of ours could not be read or written; a full disk keeps its own words.
func File(path string, cause error) *Fault {
	if IsDiskFull(cause) {
		return DiskFull(path, cause)
	}
	return &Fault{
		Code:    CodeOther,
		Message: fmt.Sprintf("%s cannot be used.", path),
		Hint:    "check that it exists, who owns it and its mode",
		Cause:   cause,
	}
}
