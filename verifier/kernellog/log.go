// Package kernellog reads what a loader prints when the kernel refuses a BPF
// program: which instruction is at fault, what the kernel says of it, and, from
// a table of the kernel's sentences (reasons.go), what that means and what to do.
//
// It understands the verifier's log of Linux 6.1 to 7.3 (kernel/bpf/verifier.c
// and log.c) as it is, and as libbpf, bpftool, iproute2, xdp-loader and
// cilium/ebpf frame it. Instructions are numbered as in the log: in slots of 8
// bytes, from the start of the program as it was loaded, in which the functions
// that it calls stand behind it.
package kernellog

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Log is what there is to know of one refusal.
type Log struct {
	Program  string   // as the loader names it, "" when it does not
	Steps    []Step   // the instructions that the log shows, in its order
	Insn     int      // the one at fault, -1: the log does not tell, or none alone is
	Source   Source   // the source line that the log shows last
	Says     []string // the refusal in the kernel's own sentences, or in the loader's
	Report   *Report  // nil before Linux 7.3
	Reason   *Reason  // nil: no sentence of the table
	sentence string   // what the reason was found by
	captured []int    // where in it the pattern's groups are
}

// Step is an instruction that the verifier came by.
type Step struct {
	Slot   int
	Opcode byte
	Known  bool   // whether the log has the opcode
	Text   string // as the kernel writes it
	State  string // what it then knew of registers, "" where it does not say
}

// Report is what the verifier adds to its sentence from Linux 7.3 on (under
// "Verification failed").
type Report struct {
	Title      string // "Memory Safety: Access outside bounds"
	Reason     string
	Suggestion string
}

// Source is a source line as the log quotes it.
type Source struct {
	Text string
	File string // "" before Linux 6.9
	Line int
}

// ErrNoRefusal says that a text is not about a program that was refused.
var ErrNoRefusal = errors.New("no refusal in this text: want what the loader printed, the verifier's log among it")

// Parse reads what a loader printed. Of several programs in one text it reads the
// last.
func Parse(text string) (*Log, error) {
	p := parser{log: Log{Insn: -1}, at: -1}
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimRight(line, "\r\n\x00 \t"), "\t") // cilium/ebpf's %+v indents
		if !p.report(line) {
			p.line(strings.TrimSpace(line))
		}
	}
	if !p.judge() {
		return nil, ErrNoRefusal
	}
	return &p.log, nil
}

// parser goes through a text line by line.
type parser struct {
	log    Log
	says   []string // lines since the last step that may be the kernel's refusal
	loader []string // what the loader says itself
	closed bool     // the log is over, and what follows is the loader's

	section string // of the report that the lines are in, "" for none
	at      int    // the instruction that the report names, -1: none
}

// The lines of a log that are instructions. The state behind one begins at "; R"
// or "; frame" (log.c, print_verifier_state), and a poisoned one is libbpf's
// (libbpf.c, fixup_verifier_log).
var (
	stepLine = regexp.MustCompile(`^(\d+): \(([0-9a-f]{2})\) (.*)$`)
	poisoned = regexp.MustCompile(`^(\d+): (<invalid [^>]*>)`)
	// A branch is written before it is known where it leads, and what comes next
	// stands behind it.
	branchLine = regexp.MustCompile(`^(.* goto pc[+-]\d+) +([^; ].*)$`)
	stateAfter = regexp.MustCompile(`\s*; ((?:frame\d+: ?)?R\d+.*)$`)
	sourceLine = regexp.MustCompile(`^; (.*?)(?: @ (\S+):(\d+))?$`)
)

// logEnd is the last line of the verifier, and libbpf's below it.
var logEnd = regexp.MustCompile(`^processed \d+ insns|-- END PROG LOAD LOG --`)

// frame is the lines by which loaders open a log, with the program's name.
var frame = regexp.MustCompile(`(?:^|: )prog '([^']*)': -- BEGIN PROG LOAD LOG --|^(?:program (\S+): )?load program: [^:]*:$`)

// loaderLine is what is not of the kernel, with the name of the program if it is
// about one: libbpf's, its users', and cilium/ebpf's error.
var loaderLine = regexp.MustCompile(`^(?:libbpf|libxdp|libbpf_glue|Error|hintjit)\b.*?: ?|^(?:.*: )?(?:program|map) (\S+): |^load program: |^(?:failed to load|ERROR: )`)

var programName = regexp.MustCompile(`\bprog(?:ram)? '?([^' :]+)'?:`)

// chatter is what the verifier says of its work, and no refusal.
var chatter = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`verification time`, `stack depth`, `insns processed`,
	`(?:from )?\d+(?: to \d+)?(?: \(speculative execution\))?:(?: safe|$| ?(?:frame\d+: ?)?R\d+.*|$)`,
	`(?:frame\d+: ?)?R\d+(?:_[a-z]+)?=`, // a state on a line of its own; no sentence has R1=
	`(?:mark_precise|force_precise|propagating|frame ?\d+|stack=|parent |last_idx|first_idx|regs=|BPF program load)\b`,
	`(?:caller|callee|returning from callee|to caller at \d+|cur state|old state):`,
	`func#\d+ @\d+`, `Validating .*\.\.\.`, `Func#\d+ .* (?:safe|assumed valid)`,
	`SCC `, `Live regs before insn`, `\d+: [.\d]+ \(`,
	`\(\d+ line\(s\) omitted\)`, `\.\.\. \d+ lines before`,
}, "|") + `)`)

func (p *parser) line(line string) {
	switch {
	case line == "":
	case frame.MatchString(line):
		m := frame.FindStringSubmatch(line)
		p.restart(m[1] + m[2])
	case logEnd.MatchString(line):
		if len(p.says) == 0 && len(p.log.Steps) > 0 {
			p.restart("") // it was taken
		}
		p.closed = true
	case p.step(line):
	case strings.HasPrefix(line, "; "):
		m := sourceLine.FindStringSubmatch(line)
		n, _ := strconv.Atoi(m[3])
		p.log.Source = Source{Text: m[1], File: m[2], Line: n}
	case chatter.MatchString(line):
	case p.closed, loaderLine.MatchString(line):
		p.loader = append(p.loader, line)
		if m := programName.FindStringSubmatch(line); m != nil && p.log.Program == "" {
			p.log.Program = m[1]
		}
	default:
		p.says = append(p.says, line)
	}
}

// restart begins the log of another program.
func (p *parser) restart(program string) {
	p.log, p.says, p.at, p.closed = Log{Program: program, Insn: -1}, nil, -1, false
}

var (
	reportTitle   = regexp.MustCompile(`^Verification failed: (.*)$`)
	reportSection = regexp.MustCompile(`^(Reason|At|Causal path|Suggestion):$`)
	reportInsn    = regexp.MustCompile(`^ +insn (\d+)$`)
)

// report takes a line that belongs to a report: its title, the heads of its
// sections, and what is indented below them.
func (p *parser) report(line string) bool {
	r := p.log.Report
	if m := reportTitle.FindStringSubmatch(line); m != nil {
		p.log.Report, p.section, p.at = &Report{Title: m[1]}, "Title", -1
		return true
	}
	if m := reportSection.FindStringSubmatch(line); m != nil && p.section != "" {
		p.section = m[1]
		return true
	}
	if p.section == "" || line != "" && line[0] != ' ' {
		p.section = ""
		return false
	}
	text := strings.TrimSpace(line)
	switch m := reportInsn.FindStringSubmatch(line); {
	case p.section == "Reason":
		r.Reason = strings.TrimSpace(r.Reason + " " + text)
	case p.section == "Suggestion":
		r.Suggestion = strings.TrimSpace(r.Suggestion + " " + text)
	case p.section == "At" && m != nil && p.at < 0:
		p.at = number(m[1])
	}
	return true
}

// step takes a line that is an instruction. What was said before one was no
// refusal.
func (p *parser) step(line string) bool {
	var s Step
	if m := stepLine.FindStringSubmatch(line); m != nil {
		opcode, _ := strconv.ParseUint(m[2], 16, 8)
		s = Step{Opcode: byte(opcode), Known: true, Text: m[3]}
		if m := branchLine.FindStringSubmatch(s.Text); m != nil {
			s.Text = m[1]
			defer p.line(m[2])
		}
		if at := stateAfter.FindStringSubmatchIndex(s.Text); at != nil {
			s.Text, s.State = strings.TrimSpace(s.Text[:at[0]]), s.Text[at[2]:at[3]]
		}
		s.Slot = number(m[1])
	} else if m := poisoned.FindStringSubmatch(line); m != nil {
		s = Step{Slot: number(m[1]), Text: m[2]}
		defer func() { p.says = append(p.says, m[2]) }() // it is the refusal as well
	} else {
		return false
	}
	if p.closed {
		p.restart("")
	}
	p.log.Steps = append(p.log.Steps, s)
	p.says, p.log.Report, p.at = nil, nil, -1
	return true
}

// maxSlot is more than a program can have: the kernel takes a million instructions.
const maxSlot = 1 << 24

// number is that of an instruction, -1 when it can not be one.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n > maxSlot {
		return -1
	}
	return n
}

// judge finds what the refusal is; false when there is none.
func (p *parser) judge() bool {
	l := &p.log
	l.Says = p.says
	switch failed, spoken := failed(p.loader), 0; {
	case l.find(p.says, &spoken):
		if len(l.Steps) == 0 { // what stood before it may be anybody's
			l.Says = p.says[spoken:]
		}
	case l.find(p.loader, &spoken):
		l.Says = p.loader[spoken : spoken+1]
	case len(l.Steps) > 0 && len(p.says) > 0:
	case failed == nil:
		return false
	default:
		l.find([]string{failed.says}, &spoken)
		l.Says = []string{failed.line}
	}
	if l.Insn = l.fault(); p.at >= 0 {
		l.Insn = p.at
	}
	return true
}

// find looks for a sentence that the table knows, and says which it is.
func (l *Log) find(says []string, spoken *int) bool {
	for i, sentence := range says {
		for r := range reasons {
			if at := reasons[r].match(sentence); at != nil {
				l.Reason, l.sentence, l.captured, *spoken = &reasons[r], sentence, at, i
				return true
			}
		}
	}
	return false
}

// NotFound says which function it is that the loader did not find, and the
// instruction that calls it.
func (l *Log) NotFound(name string, insn int) {
	l.find([]string{fmt.Sprintf("extern (func ksym) '%s': not found in kernel or module BTFs", name)}, new(int))
	l.Insn = insn
}

var named = regexp.MustCompile(`\binsn (\d+)\b`)

// fault is the instruction that the refusal is about: the one that a sentence
// names, or the last that the verifier came by.
func (l *Log) fault() int {
	for _, sentence := range l.Says {
		if m := named.FindStringSubmatch(sentence); m != nil {
			return number(m[1])
		}
	}
	if len(l.Steps) == 0 || l.Reason != nil && l.Reason.Whole {
		return -1
	}
	return l.Steps[len(l.Steps)-1].Slot
}

// Means is what the refusal most likely means: what the table says of it, or else
// the kernel. It is "" when that is not known.
func (l *Log) Means() string {
	if l.Reason == nil && l.Report != nil {
		return l.Report.Reason
	}
	return l.expand(func(r *Reason) string { return r.Means })
}

// Do is what helps where the program itself is at fault.
func (l *Log) Do() string {
	if l.Reason == nil && l.Report != nil {
		return l.Report.Suggestion
	}
	return l.expand(func(r *Reason) string { return r.Do })
}

// Inserted is what helps where a rewriter put the instruction in, "" when
// nothing does but to mend the rewriter.
func (l *Log) Inserted() string { return l.expand(func(r *Reason) string { return r.Inserted }) }

func (l *Log) expand(text func(*Reason) string) string {
	if l.Reason == nil {
		return ""
	}
	return string(anyPattern.ExpandString(nil, text(l.Reason), l.sentence, l.captured))
}
