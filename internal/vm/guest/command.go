package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

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

// pause is between rounds of frames: the machine is emulated, and has the command to
// run as well.
const pause = 50 * time.Millisecond

// run runs a command on a NIC, with frames arriving until it ends.
func (n *network) run(c job.OnNIC) *job.Ended {
	ended := &job.Ended{Name: c.Name}
	dev, ok := n.nics[c.Driver]
	if !ok {
		ended.Err = fmt.Sprintf("no interface of driver %s is here", c.Driver)
		return ended
	}
	args := slices.Clone(c.Args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DEV", dev.Name)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = c.Env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		ended.Err = err.Error()
		return ended
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err := <-done:
			if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
				ended.Err = err.Error()
			}
			running = false
		case <-time.After(pause):
			for _, f := range n.frames {
				if err := n.send(f.Data); err != nil {
					ended.Err = err.Error()
				}
			}
		}
	}
	ended.Uptime = uptime()
	ended.Output, ended.Exit = out.String(), cmd.ProcessState.ExitCode()
	return ended
}
