package kernellog

import (
	"regexp"
	"strings"
)

// errnos are the error numbers that the table has a word on: their names, what
// the C library and Go say for them, and what libbpf prints before it knows
// names (asm-generic/errno-base.h, errno.h; 524 is the kernel's ENOTSUPP).
var errnos = []struct {
	name  string
	signs *regexp.Regexp
}{
	{"EPERM", errno("EPERM", "operation not permitted", "1")},
	{"E2BIG", errno("E2BIG", "argument list too long", "7")},
	{"ENOMEM", errno("ENOMEM", "cannot allocate memory", "12")},
	{"EACCES", errno("EACCES", "permission denied", "13")},
	{"EFAULT", errno("EFAULT", "bad address", "14")},
	{"EEXIST", errno("EEXIST", "file exists", "17")},
	{"EINVAL", errno("EINVAL", "invalid argument", "22")},
	{"ENOSPC", errno("ENOSPC", "no space left on device", "28")},
	{"ENOTSUPP", errno("ENOTSUPP", "unknown error 524|errno 524", "524")},
}

func errno(name, text, number string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)-?\b` + name + `\b|` + text + `|(?:^|[( ])-` + number + `\b`)
}

// attempts are the calls that a loader says have failed, each with what comes
// before the error: cilium/ebpf's words and libbpf's.
var attempts = []struct {
	call string
	says *regexp.Regexp
}{
	{"BPF_MAP_CREATE", regexp.MustCompile(`map create: (.*)|map '[^']*': failed to create: (.*)|bpf_create_map[a-z_]*\([^)]*\): ?(.*)`)},
	{"BPF_BTF_LOAD", regexp.MustCompile(`load BTF: (.*)|Error loading \.BTF into kernel: (.*)`)},
	{"BPF_PROG_LOAD", regexp.MustCompile(`load program: (.*)|BPF program load failed: (.*)|prog '[^']*': failed to load: (.*)`)},
}

// failure is a call that a loader says has failed, in the words that the table has
// for it, "BPF_MAP_CREATE: EPERM", and in the loader's own.
type failure struct{ says, line string }

// failed finds the first of them. BTF that the kernel does not take is often none:
// libbpf goes on without it, and says so.
func failed(loader []string) *failure {
	for _, line := range loader {
		if strings.HasSuffix(line, "ignoring.") {
			continue
		}
		for _, a := range attempts {
			m := a.says.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			said := strings.Join(m[1:], "")
			for _, e := range errnos {
				if e.signs.MatchString(said) {
					return &failure{a.call + ": " + e.name, line}
				}
			}
		}
	}
	return nil
}
