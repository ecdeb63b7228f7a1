package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// command runs a program and reports what it prints, line by line: were it to write
// to the console itself, a message of the kernel's could end up within a line.
func command(c *job.Command) error {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = c.Env
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if line != "" {
			line = strings.TrimSuffix(line, "\n")
			say(job.Line{Output: &line})
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading what %s prints: %w", c.Args[0], err)
		}
	}
	err = cmd.Wait()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		return err
	}
	code := cmd.ProcessState.ExitCode()
	say(job.Line{Exit: &code})
	return nil
}
