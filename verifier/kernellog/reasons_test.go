package kernellog

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata anew")

const sentencesFile = "testdata/sentences.txt"

// sayers are programs in which sentences stand as they are in their source, by the
// name that sentences.txt has for them. Kernels are those that scripts/vm-fetch.sh
// gets.
func sayers(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	add := func(name, file string) {
		image, err := os.ReadFile(file)
		require.NoError(t, err)
		out[name] = image
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	images, err := filepath.Glob(filepath.Join(cache, "hintjit/vm/kernels/*/vmlinux"))
	require.NoError(t, err)
	require.NotEmpty(t, images, "scripts/vm-fetch.sh gets the kernels")
	for _, image := range images {
		add(filepath.Base(filepath.Dir(image)), image)
	}
	libraries, err := filepath.Glob("/usr/lib/*/libbpf.so.1")
	require.NoError(t, err)
	require.NotEmpty(t, libraries, "make deps installs libbpf")
	add("libbpf", libraries[0])
	return out
}

// sentences reads testdata/sentences.txt: by sentence, who says it.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(sentencesFile)
	require.NoError(t, err)
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if who, sentence, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && !strings.HasPrefix(line, "#") {
			out[sentence] = who
		}
	}
	return out
}

// unheard are sentences of the table that are in none of the sayers: what names a
// case of another sentence, and what newer loaders or this package itself say.
func unheard(sentence string, known map[string]string) string {
	if _, call, ok := strings.Cut(sentence, "BPF_"); ok && strings.Contains(call, ": E") {
		return "made of an error number"
	}
	for other := range known {
		if at := pattern(other).FindStringIndex(sample(sentence)); at != nil && at[0] == 0 && at[1] == len(sample(sentence)) {
			return "a case of " + other
		}
	}
	for _, loader := range []string{"kfunc %q: not supported", "unknown kfunc", "bad CO-RE relocation"} { // cilium/ebpf
		if pattern(strings.ReplaceAll(loader, "%q", `"%s"`)).MatchString(sample(sentence)) {
			return "cilium/ebpf"
		}
	}
	for _, newer := range []string{"kfunc '%s' is referenced but wasn't resolved", "<invalid kfunc call>"} { // libbpf 1.4
		if pattern(newer).MatchString(sample(sentence)) {
			return "libbpf from 1.4 on"
		}
	}
	return ""
}

// sample is a sentence as a kernel would fill the format.
func sample(format string) string {
	return verbs.ReplaceAllStringFunc(format, func(verb string) string {
		if verb == "%s" {
			return "that"
		}
		return "17"
	})
}

// Every sentence of the table stands in a kernel's or a loader's program as it does
// here. With -update the programs are asked, otherwise what they said last.
func TestSentences(t *testing.T) {
	if *update {
		images := sayers(t)
		var lines []string
		for _, r := range reasons {
			for _, s := range r.Says {
				var who []string
				for name, image := range images {
					if bytes.Contains(image, []byte(s)) {
						who = append(who, name)
					}
				}
				slices.Sort(who)
				if len(who) > 0 {
					lines = append(lines, fmt.Sprintf("%s\t%s\n", strings.Join(who, " "), s))
				}
			}
		}
		slices.Sort(lines)
		text := "# Who says what the table of reasons.go knows: go test ./verifier/kernellog -run TestSentences -update.\n" +
			"# Numbers are series of Debian's kernels.\n" + strings.Join(slices.Compact(lines), "")
		require.NoError(t, os.WriteFile(sentencesFile, []byte(text), 0o600))
	}
	known := sentences(t)
	for _, r := range reasons {
		require.NotEmpty(t, r.Says)
		require.NotEmpty(t, r.Means, r.Says[0])
		require.NotEmpty(t, r.Do, r.Says[0])
		require.NotEmpty(t, r.From, r.Says[0])
		for _, s := range r.Says {
			if known[s] == "" {
				require.NotEmpty(t, unheard(s, known), "nobody says: %s", s)
			}
		}
	}
}

// No reason stands in the way of another, and what a reason says of the words that a
// sentence has, the sentence has.
func TestReasonsApart(t *testing.T) {
	for i := range reasons {
		for _, s := range reasons[i].Says {
			log := Log{Insn: -1}
			require.True(t, log.find([]string{sample(s)}, new(int)), s)
			require.Equal(t, reasons[i].Says[0], log.Reason.Says[0], "%s is taken by another reason", s)
			for _, text := range []string{log.Means(), log.Do(), log.Inserted()} {
				require.NotContains(t, text, "$", s)
				require.NotContains(t, text, "  ", s)
			}
			if n := strings.Count(reasons[i].Means+reasons[i].Do+reasons[i].Inserted, "$"); n > 0 {
				require.GreaterOrEqual(t, len(log.captured), 4, "%s has nothing for $1", s)
			}
		}
	}
}
