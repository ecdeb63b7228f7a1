// The command hintjit rewrites BPF objects that read hints so that they run on
// one NIC.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// What the process returns.
const (
	exitDone  = 0
	exitFails = 1 // this program, NIC or kernel can not do it
	exitUsage = 2 // the request is wrong
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command but for the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "hintjit:", message(err))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(stderr, "hint:", hint)
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "hintjit",
		Short: "rewrite BPF programs that read hints for the NIC they are going to run on",
		Long: `hintjit rewrites BPF programs that read hints (h->rx_hash, h->vlan_tci ...) into
programs that read the receive descriptor of one NIC.`,
		Example: `  hintjit rewrite prog.o --nic i40e     write prog.i40e.o
  hintjit verify prog.o --nic i40e      run it before and after, side by side
  hintjit load prog.o --dev eth0        rewrite it for that interface's NIC and attach it
  hintjit selftest --dev eth0           hold that NIC's hints against what else tells of its packets
  hintjit explain prog.o --nic i40e     say what the verifier's log on standard input means
  hintjit nics                          list the NICs that are supported
  hintjit nics i40e                     show where i40e keeps each hint
  hintjit layout check my-nic.yaml      look for faults in a layout of one's own
  hintjit demo                          rewrite and run a bundled example`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("hintjit --help lists the commands", "a command is missing")
			}
			hint := "hintjit --help lists the commands"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("did you mean %s?", near[0])
			}
			return usageError(hint, "there is no command %q", args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // makes cobra ask Args
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(cmd.CommandPath()+" --help lists the flags", "%w", err)
	})
	root.AddCommand(rewriteCommand(), verifyCommand(), loadCommand(), explainCommand(), selftestCommand(), nicsCommand(), layoutCommand(), demoCommand(), versionCommand())
	return root
}

// requestError is a wrong request that this command finds itself.
type requestError struct {
	err  error
	hint string
}

func (e *requestError) Error() string { return e.err.Error() }
func (e *requestError) Unwrap() error { return e.err }

func usageError(hint, format string, args ...any) error {
	return &requestError{fmt.Errorf(format, args...), hint}
}

// hintedError is something that can not be done and what would help.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// arguments wants exactly the named ones.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := "hintjit " + cmd.Use
		if len(args) < len(names) {
			return usageError(hint, "%s: %s is missing", cmd.Name(), names[len(args)])
		}
		if len(args) > len(names) {
			return usageError(hint, "%s: one argument too many: %q", cmd.Name(), args[len(names)])
		}
		return nil
	}
}

func exitCode(err error) int {
	var (
		request *requestError
		usage   *rewrite.UsageError
		nic     *layouts.UnknownNICError
		layout  *layouts.Errors
		device  *netdev.NotFoundError
	)
	if errors.As(err, &request) || errors.As(err, &usage) || errors.As(err, &nic) || errors.As(err, &layout) ||
		errors.As(err, &device) {
		return exitUsage
	}
	return exitFails
}

// message is the error; faults of a layout on lines of their own so that an
// editor finds the places, and a kernel's refusal explained.
func message(err error) string {
	var faults *layouts.Errors
	if errors.As(err, &faults) {
		return "the layout is faulty\n" + faults.Error()
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		var b strings.Builder
		writeRefusal(&b, refused.file, refused.refusal)
		return strings.TrimSuffix(b.String(), "\n")
	}
	return strings.TrimRight(err.Error(), ".\n")
}

func hintFor(err error) string {
	var (
		request     *requestError
		hinted      *hintedError
		unsupported *rewrite.UnsupportedError
		nic         *layouts.UnknownNICError
		never       *layouts.UnsupportedNICError
		unsuitable  *netdev.UnsuitableError
		pin         *netdev.PinError
	)
	switch {
	case errors.As(err, &request):
		return request.hint
	case errors.As(err, &hinted):
		return hinted.hint
	case errors.As(err, &unsupported):
		return unsupported.Help
	case errors.As(err, &unsuitable):
		return unsuitable.Help
	case errors.As(err, &pin):
		return pin.Help
	case errors.As(err, &nic), errors.As(err, &never):
		return "hintjit nics lists what is supported"
	}
	return ""
}
