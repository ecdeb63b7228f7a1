package corpus

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// subject is an object and where it comes from.
type subject struct {
	source string // package and version, or what it is compiled from
	name   string
	raw    []byte
}

func (s subject) String() string { return s.source + "/" + s.name }

// bigEndian tells whether this machine can not load it: it is taken to be little
// endian.
func (s subject) bigEndian() bool { return elf.Data(s.raw[elf.EI_DATA]) == elf.ELFDATA2MSB }

// each runs a test for every object that is here. TestFetched and TestCompiled
// say which are not.
func each(t *testing.T, test func(t *testing.T, s subject)) {
	t.Helper()
	eachOf(t, subjects(t), test)
}

func eachOf(t *testing.T, all []subject, test func(t *testing.T, s subject)) {
	t.Helper()
	for _, s := range all {
		t.Run(s.String(), func(t *testing.T) { test(t, s) })
	}
}

// subjects are all objects that are here, each once.
func subjects(t *testing.T) []subject {
	t.Helper()
	all, err := everything()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

var everything = sync.OnceValues(func() ([]subject, error) {
	var all []subject
	rows, err := packages()
	if err != nil {
		return nil, err
	}
	for _, p := range rows {
		if fetched(p) != nil {
			continue
		}
		objects, err := under(p.folder(), p.name+" "+p.version)
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Path}} {{.Version}}", "github.com/cilium/ebpf").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	dir, source, _ := strings.Cut(strings.TrimSpace(string(module)), " ")
	objects, err := under(dir, source)
	if err != nil {
		return nil, err
	}
	all = append(all, objects...)
	own, err := compiled()
	if err != nil {
		return nil, err
	}
	return distinct(append(all, own...)), nil
})

// distinct leaves out what came before: tools of one package share objects.
func distinct(all []subject) []subject {
	seen := make(map[[sha256.Size]byte]bool)
	names := make(map[string]int)
	var out []subject
	for _, s := range all {
		sum := sha256.Sum256(s.raw)
		if seen[sum] {
			continue
		}
		seen[sum] = true
		if names[s.String()]++; names[s.String()] > 1 {
			s.name += "#" + strconv.Itoa(names[s.String()])
		}
		out = append(out, s)
	}
	return out
}

// deb is a line of testdata/packages.txt.
type deb struct {
	name, version string
	objects       int
}

func packages() ([]deb, error) {
	text, err := os.ReadFile("testdata/packages.txt")
	if err != nil {
		return nil, err
	}
	var rows []deb
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var p deb
		var suite, sum string
		if _, err := fmt.Sscan(line, &suite, &p.name, &p.version, &sum, &p.objects); err != nil {
			return nil, fmt.Errorf("testdata/packages.txt: %q: %w", line, err)
		}
		rows = append(rows, p)
	}
	return rows, nil
}

// folder is where corpus-fetch.sh unpacked a package.
func (p deb) folder() string {
	cache := os.Getenv("HINTJIT_CORPUS_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			base = os.TempDir()
		}
		cache = filepath.Join(base, "hintjit", "corpus")
	}
	return filepath.Join(cache, p.name+"_"+strings.ReplaceAll(p.version, ":", "-"))
}

func fetched(p deb) error {
	_, err := os.Stat(p.folder())
	return err
}

// under finds the objects in the files of a folder.
func under(dir, source string) ([]subject, error) {
	var found []subject
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if ext := filepath.Ext(path); ext == ".go" || ext == ".c" || ext == ".h" || ext == ".md" {
			return nil // many, and none is one
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, object := range embedded(raw) {
			found = append(found, subject{source, filepath.Base(path), object})
		}
		return nil
	})
	return found, err
}

// embedded finds the BPF objects in a file: all of it, or what bpftool gen
// skeleton and bpf2go put into a program. clang writes the section headers last:
// they say how long an object is.
func embedded(raw []byte) [][]byte {
	var found [][]byte
	magic := []byte(elf.ELFMAG + string(rune(elf.ELFCLASS64)))
	for {
		at := bytes.Index(raw, magic)
		if at < 0 || len(raw)-at < binary.Size(elf.Header64{}) {
			return found
		}
		raw = raw[at:]
		order := binary.ByteOrder(binary.LittleEndian)
		if elf.Data(raw[elf.EI_DATA]) == elf.ELFDATA2MSB {
			order = binary.BigEndian
		}
		var h elf.Header64
		if _, err := binary.Decode(raw, order, &h); err == nil &&
			elf.Machine(h.Machine) == elf.EM_BPF && elf.Type(h.Type) == elf.ET_REL {
			if end := h.Shoff + uint64(h.Shnum)*uint64(h.Shentsize); end <= uint64(len(raw)) {
				found = append(found, bytes.Clone(raw[:end]))
			}
		}
		raw = raw[len(magic):]
	}
}

// styles are the programs in testdata.
var styles = []string{"balancer", "datapath", "bypass", "calls"}

var targets = [][2]string{{"bpfel", "v2"}, {"bpfel", "v4"}, {"bpfeb", "v3"}}

var compiled = sync.OnceValues(func() ([]subject, error) {
	if missing() != "" {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "hintjit-corpus-")
	if err != nil {
		return nil, err
	}
	all, err := inStyle(dir)
	return all, errors.Join(err, os.RemoveAll(dir))
})

// inStyle compiles the programs of styles, in a folder.
func inStyle(dir string) ([]subject, error) {
	var all []subject
	for _, name := range styles {
		for _, to := range targets {
			source := name + ".c"
			raw, err := compile(dir, "testdata/"+source, "-target", to[0], "-mcpu="+to[1])
			if err != nil {
				return nil, err
			}
			all = append(all, subject{source, strings.Join(to[:], "-"), raw})
		}
	}
	return all, nil
}

// missing says what there is no compiling without.
func missing() string {
	if _, err := exec.LookPath("clang-19"); err != nil {
		return "clang-19 is not installed, it compiles the programs in testdata"
	}
	if _, err := os.Stat("/usr/include/bpf/bpf_helpers.h"); err != nil {
		return "libbpf-dev is not installed, it has bpf/bpf_helpers.h"
	}
	return ""
}

func compile(dir, source string, flags ...string) ([]byte, error) {
	out := filepath.Join(dir, "out.o")
	asm, err := filepath.Glob("/usr/include/*/asm") // of the machine, in Debian's place for it
	if err != nil || len(asm) == 0 {
		return nil, fmt.Errorf("no asm/types.h under /usr/include: %w", err)
	}
	args := append([]string{"-O2", "-g", "-Wall", "-Werror", "-I" + filepath.Dir(asm[0]), "-c", source, "-o", out}, flags...)
	text, err := exec.Command("clang-19", args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("clang-19 %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return os.ReadFile(out)
}

// A package gives as many objects as it did when it was chosen.
func TestFetched(t *testing.T) {
	rows, err := packages()
	require.NoError(t, err)
	for _, p := range rows {
		t.Run(p.name, func(t *testing.T) {
			if err := fetched(p); err != nil {
				t.Skipf("package %s is not here, its objects are not tried (scripts/corpus-fetch.sh): %v", p.name, err)
			}
			objects, err := under(p.folder(), p.name)
			require.NoError(t, err)
			require.Len(t, distinct(objects), p.objects)
		})
	}
}

func TestCompiled(t *testing.T) {
	if why := missing(); why != "" {
		t.Skip(why)
	}
	all, err := compiled()
	require.NoError(t, err)
	require.Len(t, all, len(targets)*len(styles))
}
