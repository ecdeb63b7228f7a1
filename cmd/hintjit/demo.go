package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/demo"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

func demoCommand() *cobra.Command {
	var nic string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "rewrite a bundled example, show what changed, and run it",
		Long: `Rewrite the bundled load balancer (bpf/examples/l4lb.c) for a NIC, show what
changed under the source lines, and run the result in the kernel on a packet with
several descriptors. Nothing is attached to an interface. Running needs root;
without it the rest is shown all the same.`,
		Example: `  hintjit demo
  hintjit demo --nic mlx5`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showDemo(cmd.OutOrStdout(), nic)
		},
	}
	cmd.Flags().StringVar(&nic, "nic", "i40e", "the `NIC` to rewrite for")
	return cmd
}

func showDemo(w io.Writer, nic string) error {
	layout, err := layouts.Shipped(nic)
	if err != nil {
		return err
	}
	descriptor := layout.Descriptors[0].Bare() // what lies beside it is not in samples
	object, err := bpf.Example("l4lb", binary.NativeEndian)
	if err != nil {
		return err
	}
	rewritten, report, err := rewrite.Object(object, rewrite.Options{NIC: nic, Descriptor: descriptor.Name, Reach: rewrite.Meta})
	if err != nil {
		return err
	}
	writeWrapped(w, "", fmt.Sprintf(`bpf/examples/l4lb.c, a load balancer that goes by the NIC's hash, rewritten for %s
		(descriptor %s, by --reach meta: so it can be run here over sample descriptors; on stock kernels
		it would walk to the descriptor). Below is what changed: - was removed, + was inserted, the rest is as the
		compiler made it.`, layout.NIC, descriptor.Name))
	fmt.Fprintln(w)
	if err := writeDiffs(w, report); err != nil {
		return err
	}
	fmt.Fprintln(w)
	summarize(w, "l4lb.o", fmt.Sprintf("l4lb.%s.o", nic), report)
	fmt.Fprintln(w)
	return runDemo(w, rewritten, descriptor)
}

func runDemo(w io.Writer, object []byte, descriptor *layouts.Descriptor) error {
	samples := demo.Samples(descriptor)
	results, err := demo.Run(object, samples)
	var notHere *demo.NotHereError
	if errors.As(err, &notHere) {
		writeWrapped(w, "", fmt.Sprintf("The program was not run: the kernel does not let it here (%s). As root it runs over the descriptors below.", notHere))
	} else if err != nil {
		return fmt.Errorf("the rewritten example does not run: %w", err)
	} else {
		writeWrapped(w, "", fmt.Sprintf("Run in the kernel with one packet and several descriptors, %d backends to choose from:", demo.Backends))
	}
	for i, s := range samples {
		fmt.Fprintf(w, "\n  %s\n", s.What)
		writeWrapped(w, "    descriptor  ", hexWords(s.Descriptor))
		writeWrapped(w, "    hints       ", hintsText(descriptor, s.Descriptor))
		if results != nil {
			writeWrapped(w, "    returned    ", resultText(results[i]))
		}
	}
	return nil
}

// writeDiffs writes what became of every program.
func writeDiffs(w io.Writer, report *rewrite.Report) error {
	for i := range report.Programs {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := report.Programs[i].Diff(w); err != nil {
			return err
		}
	}
	return nil
}

// hexWords writes bytes in the order of memory, eight to a group.
func hexWords(b []byte) string {
	if len(b) == 0 {
		return "none"
	}
	var words []string
	for word := range slices.Chunk(b, 8) {
		words = append(words, hex.EncodeToString(word))
	}
	return strings.Join(words, " ")
}

// hintsText lists the hints that a descriptor holds, in the layout's order, as
// the reference decoder reads them.
func hintsText(d *layouts.Descriptor, desc []byte) string {
	values := d.Decode(desc, binary.NativeEndian)
	var parts []string
	for _, h := range d.Hints {
		if v, present := values[h.Name]; present {
			parts = append(parts, h.Name+"="+number(hostOrder(v, h.Decl)))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, " ")
}

// hostOrder turns what a program reads from a member in network order into the
// number that it stands for.
func hostOrder(v uint64, decl layouts.Declaration) uint64 {
	switch {
	case decl.Network && decl.Bytes == 2:
		return uint64(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, uint16(v))))
	case decl.Network && decl.Bytes == 4:
		return uint64(binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, uint32(v))))
	}
	return v
}

// number writes small numbers, which count, in decimal, and large ones, which are
// codes and hashes, in hex.
func number(v uint64) string {
	if v < 256 {
		return strconv.FormatUint(v, 10)
	}
	return fmt.Sprintf("0x%x", v)
}

func resultText(r demo.Result) string {
	if r.Backend == demo.NoBackend {
		return r.Action
	}
	return fmt.Sprintf("%s to backend %d", r.Action, r.Backend)
}
