package rewrite_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// An assembly is a program that no compiler made: functions and the types that
// they are declared with. object writes it as clang would, so that fuzzers get
// objects by the thousand in a second, with types that C has no way to say.
type assembly struct {
	order binary.ByteOrder
	funcs []*code.Func // those in section xdp first
	types []btf.Type   // besides what the functions name
	// answers are the constants and offsets that CO-RE records ask for; what the
	// instruction says is anything.
	answers []answered
}

type answered struct {
	function string
	insn     int
	value    int64
	hint     string // whether there is one of that name, instead
}

// Relocations of BPF objects (Documentation/bpf/llvm_reloc.rst).
const (
	relocWide = 1  // R_BPF_64_64
	relocCall = 10 // R_BPF_64_32
)

// An objectWriter puts an ELF file together. All it writes has 64 bits.
type objectWriter struct {
	order    binary.ByteOrder
	strings  bytes.Buffer
	sections []elf.Section64
	data     [][]byte
	symbols  []elf.Sym64
}

func (w *objectWriter) name(s string) uint32 {
	at := w.strings.Len()
	w.strings.WriteString(s + "\x00")
	return uint32(at)
}

func (w *objectWriter) section(name string, kind elf.SectionType, flags elf.SectionFlag, data []byte) int {
	w.sections = append(w.sections, elf.Section64{Name: w.name(name), Type: uint32(kind), Flags: uint64(flags), Addralign: 8})
	w.data = append(w.data, data)
	return len(w.sections) - 1
}

func (w *objectWriter) symbol(name string, bind elf.SymBind, kind elf.SymType, section int, value, size int) {
	w.symbols = append(w.symbols, elf.Sym64{Name: w.name(name), Info: elf.ST_INFO(bind, kind), Shndx: uint16(section),
		Value: uint64(value), Size: uint64(size)})
}

// pack lays out numbers one after the other.
func (w *objectWriter) pack(values ...any) []byte {
	var out bytes.Buffer
	for _, v := range values {
		if err := binary.Write(&out, w.order, v); err != nil {
			panic(err) // a value without a size
		}
	}
	return out.Bytes()
}

func (w *objectWriter) file() []byte {
	header := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_BPF), Version: 1, Ehsize: 64, Shentsize: 64,
		Shnum: uint16(len(w.sections)), Shstrndx: 1}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.EV_CURRENT)
	if header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB); w.order == binary.BigEndian {
		header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	w.data[1] = w.strings.Bytes()
	body := make([]byte, 64)
	for i := 1; i < len(w.sections); i++ {
		body = append(body, make([]byte, -len(body)&7)...)
		w.sections[i].Off, w.sections[i].Size = uint64(len(body)), uint64(len(w.data[i]))
		body = append(body, w.data[i]...)
	}
	body = append(body, make([]byte, -len(body)&7)...)
	header.Shoff = uint64(len(body))
	body = append(body, w.pack(w.sections)...)
	copy(body, w.pack(header))
	return body
}

// object is the assembly as an object file.
func (a *assembly) object() ([]byte, error) {
	w := &objectWriter{order: a.order}
	w.name("")
	w.section("", elf.SHT_NULL, 0, nil)
	w.section(".strtab", elf.SHT_STRTAB, 0, nil)
	text := map[string]int{}
	for _, name := range []string{"xdp", ".text"} {
		text[name] = w.section(name, elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_EXECINSTR, nil)
	}
	w.section("license", elf.SHT_PROGBITS, elf.SHF_ALLOC, []byte("GPL\x00"))
	w.symbol("", elf.STB_LOCAL, elf.STT_NOTYPE, 0, 0, 0)
	w.symbol("", elf.STB_LOCAL, elf.STT_SECTION, text[".text"], 0, 0)

	types, ids, err := a.marshalTypes()
	if err != nil {
		return nil, err
	}
	// Symbols: local ones, the functions that others may call, the extern.
	starts, numbers := map[string]int{}, map[string]int{}
	locals := 2
	for _, bind := range []elf.SymBind{elf.STB_LOCAL, elf.STB_GLOBAL} {
		at := map[string]int{}
		for _, f := range a.funcs {
			size := 0
			for i := range f.Insns {
				size += f.Insns[i].Slots() * asm.InstructionSize
			}
			if (bind == elf.STB_LOCAL) == (f.Linkage == code.Static) {
				numbers[f.Name] = len(w.symbols)
				w.symbol(f.Name, bind, elf.STT_FUNC, text[f.Section], at[f.Section], size)
			}
			starts[f.Name] = at[f.Section]
			at[f.Section] += size
		}
		if bind == elf.STB_LOCAL {
			locals = len(w.symbols)
		}
	}
	extern := len(w.symbols)
	w.symbol("hintjit_rx", elf.STB_GLOBAL, elf.STT_NOTYPE, 0, 0, 0)

	ext := newExtWriter(w, types, ids)
	relocs := map[string][]byte{}
	for _, f := range a.funcs {
		if err := f.Link(true); err != nil {
			return nil, err
		}
		section := text[f.Section]
		ext.function(f, len(w.data[section]))
		for i := range f.Insns {
			in := f.Insns[i]
			offset := len(w.data[section])
			relocate := func(symbol, kind int) {
				relocs[f.Section] = append(relocs[f.Section], w.pack(uint64(offset), uint64(symbol)<<32|uint64(kind))...)
			}
			switch {
			case in.Ref.Kind == code.RefExtern:
				in.Src, in.Constant = asm.PseudoCall, -1
				relocate(extern, relocCall)
			case in.Ref.Kind == code.RefFunc && in.IsCall():
				called := a.funcs[in.Ref.Index]
				in.Src, in.Constant = asm.PseudoCall, -1
				if called.Linkage == code.Static { // by its section, as clang has it
					in.Constant += int64(starts[called.Name] / asm.InstructionSize)
					relocate(1, relocCall)
				} else {
					relocate(numbers[called.Name], relocCall)
				}
			case in.Ref.Kind == code.RefFunc:
				in.Constant = int64(starts[a.funcs[in.Ref.Index].Name])
				relocate(1, relocWide)
			}
			var raw bytes.Buffer
			if _, err := in.Marshal(&raw, a.order); err != nil {
				return nil, fmt.Errorf("%v: %w", in.Instruction, err)
			}
			ext.insn(f, i, offset)
			w.data[section] = append(w.data[section], raw.Bytes()...)
		}
	}
	w.section(".BTF", elf.SHT_PROGBITS, 0, nil)
	w.section(".BTF.ext", elf.SHT_PROGBITS, 0, ext.bytes())
	w.data[len(w.data)-2] = ext.types
	symtab := w.section(".symtab", elf.SHT_SYMTAB, 0, w.pack(w.symbols))
	w.sections[symtab].Link, w.sections[symtab].Info, w.sections[symtab].Entsize = 1, uint32(locals), elf.Sym64Size
	for name, data := range relocs {
		s := w.section(".rel"+name, elf.SHT_REL, 0, data)
		w.sections[s].Link, w.sections[s].Info, w.sections[s].Entsize = uint32(symtab), uint32(text[name]), 16
	}
	return w.file(), nil
}

// marshalTypes is .BTF, and the number of each type that instructions name.
func (a *assembly) marshalTypes() ([]byte, map[btf.Type]btf.TypeID, error) {
	b, err := btf.NewBuilder(a.types, nil)
	if err != nil {
		return nil, nil, err
	}
	ids := map[btf.Type]btf.TypeID{}
	add := func(t btf.Type) error {
		id, err := b.Add(t)
		ids[t] = id
		return err
	}
	for _, f := range a.funcs {
		if err := add(f.Type); err != nil {
			return nil, nil, err
		}
		for i := range f.Insns {
			if c := f.Insns[i].CORE; c != nil {
				if err := add(c.Type); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: a.order})
	return raw, ids, err
}

// An extWriter writes .BTF.ext (Documentation/bpf/btf.rst), and adds the strings
// that it names to .BTF.
type extWriter struct {
	*objectWriter
	types   []byte
	ids     map[btf.Type]btf.TypeID
	known   map[string]uint32
	records [3]map[string][]byte // functions, lines, CO-RE: by section
}

func newExtWriter(w *objectWriter, types []byte, ids map[btf.Type]btf.TypeID) *extWriter {
	x := &extWriter{objectWriter: w, types: types, ids: ids, known: map[string]uint32{}}
	for part := range x.records {
		x.records[part] = map[string][]byte{}
	}
	return x
}

// text is a string's place in .BTF: its strings stand last, their number of
// bytes at offset 20.
func (x *extWriter) text(s string) uint32 {
	at, known := x.known[s]
	if !known {
		at = x.order.Uint32(x.types[20:])
		x.known[s] = at
		x.types = append(append(x.types, s...), 0)
		x.order.PutUint32(x.types[20:], at+uint32(len(s))+1)
	}
	return at
}

func (x *extWriter) add(part int, f *code.Func, words ...uint32) {
	x.records[part][f.Section] = append(x.records[part][f.Section], x.pack(words)...)
}

func (x *extWriter) function(f *code.Func, offset int) {
	x.add(0, f, uint32(offset), uint32(x.ids[f.Type]))
}

func (x *extWriter) insn(f *code.Func, i, offset int) {
	if i%4 == 0 {
		x.add(1, f, uint32(offset), x.text("assembly.c"), x.text(f.Name+" {"), uint32(i/4+1)<<10)
	}
	if c := f.Insns[i].CORE; c != nil {
		path := strings.ReplaceAll(strings.Trim(fmt.Sprint(c.Access), "[]"), " ", ":")
		x.add(2, f, uint32(offset), uint32(x.ids[c.Type]), x.text(path), uint32(c.Kind))
	}
}

func (x *extWriter) bytes() []byte {
	var body []byte
	header := []uint32{32}
	for part, size := range []int{8, 16, 16} {
		start := len(body)
		if len(x.records[part]) > 0 {
			body = append(body, x.pack(uint32(size))...)
		}
		for _, section := range []string{"xdp", ".text"} {
			if records := x.records[part][section]; len(records) > 0 {
				body = append(body, x.pack(x.text(section), uint32(len(records)/size))...)
				body = append(body, records...)
			}
		}
		header = append(header, uint32(start), uint32(len(body)-start))
	}
	return append(x.pack(uint16(0xeb9f), uint8(1), uint8(0), header), body...)
}
