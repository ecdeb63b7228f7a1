// Package listing writes BPF functions for people: instructions in the notation
// of llvm-objdump and bpftool, under the source lines they come from, and a
// rewritten function beside the one it was made of.
package listing

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// Func writes all of f, which belongs to u: its name, then every instruction
// with the number of its slot, which is what the kernel's verifier and
// llvm-objdump count in.
func Func(w io.Writer, u *code.Unit, f *code.Func) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s:\n", title(f))
	labels := funcLabels(f)
	slot := 0
	var last *code.Line
	for i, in := range f.Insns {
		if label := labels[int32(i)]; label != "" {
			fmt.Fprintf(out, "%s:\n", label)
		}
		if in.Line != nil && !sameLine(in.Line, last) {
			fmt.Fprintf(out, "; %s\n", lineText(in.Line))
			last = in.Line
		}
		fmt.Fprintf(out, "%8d: %s\n", slot, Annotated(u, in, labels[in.Target]))
		slot += int(in.Width())
	}
	return out.Flush()
}

// funcLabels names the destinations of f's branches in the order they stand.
func funcLabels(f *code.Func) map[int32]string {
	isDest := make([]bool, len(f.Insns)+1)
	for _, in := range f.Insns {
		if in.Target >= 0 && int(in.Target) < len(isDest) {
			isDest[in.Target] = true
		}
	}
	labels := map[int32]string{}
	for i, is := range isDest {
		if is {
			labels[int32(i)] = fmt.Sprintf("L%d", len(labels)+1)
		}
	}
	return labels
}

func title(f *code.Func) string {
	if f.Section == "" {
		return f.Name
	}
	return fmt.Sprintf("%s (section %s)", f.Name, f.Section)
}

// Annotated is Insn with the member that its CO-RE record names.
func Annotated(u *code.Unit, in code.Insn, dest string) string {
	text := Insn(u, in, dest)
	if in.CORE == nil {
		return text
	}
	return fmt.Sprintf("%-34s ; %s", text, coreText(in.CORE))
}

// lineText is a source line as "l4lb.c:42: if (h->has_rx_hash)". The directory
// is left out: it is that of the machine that compiled.
func lineText(l *code.Line) string {
	place := fmt.Sprintf("%s:%d", path.Base(l.File), l.Number)
	if text := strings.Join(strings.Fields(l.Text), " "); text != "" {
		return place + ": " + text
	}
	return place
}

// sameLine tells whether two records are of one line of one file. The columns
// may differ.
func sameLine(a, b *code.Line) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Number == b.Number && a.File == b.File
}

var coreQuestions = map[code.COREKind]string{
	code.FieldByteOffset: "",
	code.FieldByteSize:   "size of ",
	code.FieldExists:     "exists: ",
	code.FieldSigned:     "is signed: ",
	code.FieldLShiftU64:  "shift left of ",
	code.FieldRShiftU64:  "shift right of ",
	code.TypeIDLocal:     "type id of ",
	code.TypeIDTarget:    "kernel's type id of ",
	code.TypeExists:      "exists: ",
	code.TypeSize:        "size of ",
	code.EnumvalExists:   "value exists in ",
	code.EnumvalValue:    "value of ",
	code.TypeMatches:     "matches: ",
}

// coreText says what a CO-RE record asks: "hintjit_rx.rx_hash" for the offset of
// a member, and the question in words for the other kinds.
func coreText(c *code.CORE) string {
	question, known := coreQuestions[c.Kind]
	if !known {
		question = fmt.Sprintf("CO-RE kind %d of ", c.Kind)
	}
	if c.Type == nil {
		return fmt.Sprintf("%stype %d", question, c.TypeID)
	}
	return question + memberPath(c.Type, c.Access)
}

// memberPath names what a CO-RE access string leads to. Its first number is an
// index in an array of the type and is 0 for all that C's "->" produces.
func memberPath(t btf.Type, access []int) string {
	var b strings.Builder
	b.WriteString(typeName(t))
	for i, index := range access {
		if i == 0 {
			if index != 0 {
				fmt.Fprintf(&b, "[%d]", index)
			}
			continue
		}
		switch parent := btf.UnderlyingType(t).(type) {
		case *btf.Struct:
			t = writeMember(&b, parent.Members, index)
		case *btf.Union:
			t = writeMember(&b, parent.Members, index)
		case *btf.Array:
			fmt.Fprintf(&b, "[%d]", index)
			t = parent.Type
		default:
			t = nil
		}
		if t == nil {
			return b.String()
		}
	}
	return b.String()
}

// writeMember adds ".name" and returns the member's type, nil if there is no
// such member.
func writeMember(b *strings.Builder, members []btf.Member, index int) btf.Type {
	if index < 0 || index >= len(members) {
		fmt.Fprintf(b, ".<no member %d>", index)
		return nil
	}
	if name := members[index].Name; name != "" {
		fmt.Fprintf(b, ".%s", name)
	}
	return members[index].Type
}

func typeName(t btf.Type) string {
	if name := t.TypeName(); name != "" {
		return name
	}
	if inner := btf.UnderlyingType(t); inner.TypeName() != "" {
		return inner.TypeName()
	}
	return "<anonymous>"
}
