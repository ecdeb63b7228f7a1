package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/hintjit/hintjit/internal/vm/job"
)

const bpffs = "/sys/fs/bpf"

// object is what was loaded, by whichever loader.
type object struct {
	program *ebpf.Program
	records *ebpf.Map
	others  func()
}

func (o *object) close() {
	if o.program != nil {
		_ = o.program.Close()
	}
	if o.records != nil {
		_ = o.records.Close()
	}
	o.others()
}

func load(l job.Load) (*object, error) {
	if len(l.Prepare) > 0 {
		if err := execute(l.Prepare...); err != nil {
			return nil, err
		}
	}
	switch l.Loader {
	case job.Cilium:
		return loadCilium(l.Object)
	case job.Libbpf:
		return loadLibbpf(l.Object)
	}
	return nil, fmt.Errorf("loader %q: neither %s nor %s", l.Loader, job.Cilium, job.Libbpf)
}

func loadCilium(path string) (*object, error) {
	spec, err := ebpf.LoadCollectionSpec(path)
	if err != nil {
		return nil, err
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, err
	}
	return &object{coll.DetachProgram(job.Program), coll.DetachMap(job.Records), coll.Close}, nil
}

// loadLibbpf has bpftool pin what is in an object, and takes it from there.
func loadLibbpf(path string) (*object, error) {
	const programs, maps = bpffs + "/programs", bpffs + "/maps"
	remove := func() { _, _ = os.RemoveAll(programs), os.RemoveAll(maps) }
	remove()
	if err := execute("/bpftool", "prog", "loadall", path, programs, "pinmaps", maps); err != nil {
		return nil, err
	}
	o := &object{others: remove}
	var err error
	o.program, err = ebpf.LoadPinnedProgram(filepath.Join(programs, job.Program), nil)
	if err == nil {
		o.records, err = ebpf.LoadPinnedMap(filepath.Join(maps, job.Records), nil)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) { // an object that is only to be loaded may have other names
		o.close()
		return nil, err
	}
	return o, nil
}

func execute(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// explain is an error with the end of the verifier's log, where the reason is.
func explain(err error) string {
	text := err.Error()
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		text = fmt.Sprintf("%+v", refused)
	}
	const most = 4000
	if len(text) > most {
		text = text[:most/4] + "\n...\n" + text[len(text)-most*3/4:]
	}
	return text
}
