package corpus

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write docs/corpus.md")

// columns of the table that the tests fill.
var columns = []string{
	"functions", "instructions", "written again", "without hints", "with no-ops", "bpftool", "cilium/ebpf", "run",
}

var (
	results   = make(map[string]map[string]string) // by object, by column
	order     []string
	resultsMu sync.Mutex
)

// result notes what a test found, for the table.
func result(s subject, column, text string) {
	resultsMu.Lock()
	defer resultsMu.Unlock()
	key := s.String()
	if results[key] == nil {
		results[key] = make(map[string]string)
		order = append(order, key)
	}
	results[key][column] = text
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *update && code == 0 {
		if err := os.WriteFile("../../docs/corpus.md", []byte(document()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// document is the table in Markdown.
func document() string {
	var b strings.Builder
	fmt.Fprintf(&b, introduction, release())
	source := ""
	for _, key := range order {
		from, name, _ := strings.Cut(key, "/")
		if at := strings.LastIndex(key, "/"); at >= 0 {
			from, name = key[:at], key[at+1:]
		}
		if from != source {
			fmt.Fprintf(&b, "\n## %s\n\n| object | %s |\n|---%s|\n", from, strings.Join(columns, " | "), strings.Repeat("|---", len(columns)))
			source = from
		}
		row := []string{name}
		for _, column := range columns {
			row = append(row, strings.ReplaceAll(results[key][column], "|", "\\|"))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

func release() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(text)), "-") // what follows is whose build it is
	return version
}

const introduction = `# Objects nobody here wrote

What ` + "`internal/corpus`" + ` tried, and what came of it, on kernel %s.
` + "`HINTJIT_CORPUS=all go test ./internal/corpus -update`" + ` as root writes this page anew.

- **written again**: every part taken off the file and put back, with nothing changed: the same sections, symbols,
  relocations, types and records for debug/elf, the same instructions for cilium/ebpf and for llvm-objdump.
- **without hints**: ` + "`hintjit rewrite`" + ` gives the object back, byte for byte.
- **with no-ops**: a jump to the next instruction in front of every function, and in another copy before instructions
  chosen by chance. Taken out of what cilium/ebpf reads, they leave the object as it was.
- **bpftool**, **cilium/ebpf**: both copies are loaded where the object is, and refused with the same words where it is
  refused. A number says how many of its programs are loaded. An empty field was not tried.
- **run**: each program that BPF_PROG_RUN takes, over packets of many kinds and maps with keys cut out of them: the same
  return codes, packets and map contents as the object's own.
`
