package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// writeOutput writes data to the file path, all of it or nothing: the file
// appears when it is complete, and what stood there before is gone only then.
func writeOutput(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays a link
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return usageError("name a file in it", "output %s: is a directory", path)
	}
	if err == nil && !info.Mode().IsRegular() {
		// A device or a pipe must be written to, not replaced by a file.
		return os.WriteFile(path, data, 0o666)
	}
	temp, err := createBeside(path)
	if err != nil {
		return outputError(path, err)
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return outputError(path, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

// createBeside makes a new file in the directory of path. os.CreateTemp would
// give it mode 0600; an output has the mode that the umask leaves.
func createBeside(path string) (*os.File, error) {
	for range 100 {
		name := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
	return nil, fmt.Errorf("no free name for a temporary file beside it")
}

func outputError(path string, err error) error {
	return &hintedError{fmt.Errorf("output %s: %w", path, withoutPath(err)), "-o names another place"}
}

// withoutPath is what went wrong with a file, for a message that names the file
// as the user did.
func withoutPath(err error) error {
	var where *fs.PathError
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

// sameFile tells whether two names lead to one file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
