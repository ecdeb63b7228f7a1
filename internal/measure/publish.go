package measure

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Document is the environment variable with the path of the document that
// Publish writes to; make bench sets it.
const Document = "HINTJIT_PERFORMANCE"

// Publish prints a section in Markdown, and puts it into the document between
// its marks, which have to be there:
//
//	<!-- measured: name -->
//	<!-- end of name -->
//
// With it goes a line that says when and on what it was measured.
func Publish(tb testing.TB, name, markdown string) {
	tb.Helper()
	markdown = fmt.Sprintf("%s\n\n%s", machine(), strings.TrimSpace(markdown))
	tb.Log("\n" + markdown)
	path := os.Getenv(Document)
	if path == "" {
		return
	}
	was, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	now, err := replace(was, name, markdown)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	if err := os.WriteFile(path, now, 0o644); err != nil {
		tb.Fatal(err)
	}
}

func replace(document []byte, name, markdown string) ([]byte, error) {
	first, last := fmt.Sprintf("<!-- measured: %s -->\n", name), fmt.Sprintf("<!-- end of %s -->", name)
	before, rest, ok := bytes.Cut(document, []byte(first))
	_, after, closed := bytes.Cut(rest, []byte(last))
	if !ok || !closed {
		return nil, fmt.Errorf("section %s has to be marked with %q and %q", name, strings.TrimSpace(first), last)
	}
	return fmt.Appendf(nil, "%s%s\n%s\n\n%s%s", before, first, markdown, last, after), nil
}

// machine says what a figure depends on.
func machine() string {
	model, release := "unknown CPU", "unknown"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); m != nil {
			model = string(m[1])
		}
	}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		release = unix.ByteSliceToString(uts.Release[:])
	}
	return fmt.Sprintf("*%s, %s, %d CPUs, Linux %s, %s*", time.Now().Format("2006-01-02"), model, runtime.NumCPU(), release, runtime.Version())
}
