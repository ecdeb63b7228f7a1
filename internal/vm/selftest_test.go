package vm

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// planted is a fault of a layout that hintjit selftest has to find.
type planted struct{ hint, right, wrong string }

// selftests are the NICs, with the comparisons that have to come about and to agree,
// and faults that are planted all at once.
var selftests = []struct {
	driver   string
	compared []string // beginnings of a table's lines, spaces taken together
	faults   []planted
}{
	{"igb", []string{
		"rx_hash the driver's skb->hash", "rx_hash_type the frame's headers", "vlan_tci the driver's skb->vlan_tci",
		"vlan_proto the driver's skb->vlan_proto", "ptype the frame's headers", "csum_status the driver's skb->ip_summed",
		"csum_status the frame's checksums", "pkt_len the frame's length", "rx_queue the XDP context, the skb",
		"rx_error that the driver passed it on",
	}, []planted{
		{"rx_hash", "bits: w0[63:32]", "bits: w0[62:31]"},
		{"rx_hash_type", "1: 0x19,", "1: 0x29,"},
		{"vlan_tci", "bits: w1[63:48]", "bits: w1[63:49]"},
		{"vlan_proto", "value: 0x8100,", "value: 0x88a8,"},
		{"ptype", "0x11: 0x111,", "0x11: 0x211,"},
		{"csum_status", "{value: 1, when: [ixsm == 0, csum_errors == 0, l4cs]}", "{value: 2, when: [ixsm == 0, csum_errors == 0, l4cs]}"},
		{"pkt_len", "bits: w1[47:32]", "bits: w1[47:33]"},
	}},
	{"vmxnet3", []string{
		"vlan_tci the driver's skb->vlan_tci", "vlan_proto the driver's skb->vlan_proto", "pkt_len the frame's length",
		"rx_queue the XDP context, the skb", "ptype the frame's headers",
	}, []planted{
		{"vlan_tci", "bits: w1[31:16]", "bits: w1[31:17]"},
		{"pkt_len", "bits: w1[13:0]", "bits: w1[13:1]"},
	}},
	// The hash is not in this driver's skb, and its kfunc gives it only where rxhash is on.
	{"virtio_net", []string{
		"rx_hash Toeplitz, the NIC's key", "rx_hash_type the frame's headers", "ptype the frame's headers",
		"rx_queue the XDP context, the skb",
	}, []planted{
		{"rx_hash", "bits: w3\n", "bits: w3[31:16] w3[14:0]\n"},
		{"rx_hash_type", "2: 0x19,", "2: 0x29,"},
		{"ptype", "1: 0x91,", "1: 0xe1,"},
	}},
}

// TestSelftest runs hintjit selftest on the drivers of the guest's NICs, as a user
// would, and with faults in their layouts.
func TestSelftest(t *testing.T) {
	for _, k := range kernels(t) {
		t.Run(k.series, func(t *testing.T) {
			if !k.walks() {
				t.Skip("no walk is loaded by this kernel; that it refuses them by name is TestWalk's")
			}
			taps.need(t) // over a hub, QEMU's virtio-net gives no hash
			work, files := selftestJob(t)
			r := boot(t, k, taps, []string{"virtio_pci", "virtio_net", "vmxnet3", "igb"}, work, files)
			for _, s := range selftests {
				t.Run(s.driver, func(t *testing.T) {
					agreed := ended(t, r, s.driver, 0)
					for _, line := range s.compared {
						requireAgreed(t, agreed, line)
					}
				})
				t.Run(s.driver+"/faults", func(t *testing.T) {
					out := ended(t, r, s.driver+" wrong", 1)
					for _, f := range s.faults {
						require.Contains(t, out, "\n"+f.hint+" differs from ", out)
					}
				})
			}
		})
	}
}

func selftestJob(t *testing.T) (*job.Job, initramfs) {
	t.Helper()
	command, err := hintjit()
	require.NoError(t, err)
	work, files := &job.Job{Frames: jobFrames()}, initramfs{"/hintjit": command}
	for _, s := range selftests {
		args := []string{"/hintjit", "selftest", "--dev", "DEV", "--packets", "36", "--duration", "1m"}
		work.OnNICs = append(work.OnNICs, job.OnNIC{Name: s.driver, Driver: s.driver, Command: job.Command{Args: args}})
		text, err := os.ReadFile("../../layouts/" + s.driver + ".yaml")
		require.NoError(t, err)
		wrong, path := string(text), "/"+s.driver+".yaml"
		for _, f := range s.faults {
			require.Equal(t, 1, strings.Count(wrong, f.right), "%s in the layout of %s", f.right, s.driver)
			wrong = strings.Replace(wrong, f.right, f.wrong, 1)
		}
		files[path] = []byte(wrong)
		work.OnNICs = append(work.OnNICs, job.OnNIC{Name: s.driver + " wrong", Driver: s.driver,
			Command: job.Command{Args: append(append([]string{}, args...), "--layout", path)}})
	}
	return work, files
}

// ended is what a command printed, which ended with that code.
func ended(t *testing.T, r *report, name string, code int) string {
	t.Helper()
	e := r.ended[name]
	require.NotNil(t, e, "the guest said nothing about it")
	require.Empty(t, e.Err)
	require.Equal(t, code, e.Exit, "%s", e.Output)
	t.Logf("ended after %.1f s\n%s", e.Uptime, e.Output)
	return e.Output
}

// requireAgreed looks for a line of the table with packets that agreed, and none that
// differed.
func requireAgreed(t *testing.T, out, want string) {
	t.Helper()
	hint := ""
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if line[0] != ' ' {
			hint, words = words[0], words[min(2, len(words)):]
		}
		text := hint + " " + strings.Join(words, " ")
		if counts, found := strings.CutPrefix(text, want+" "); found {
			fields := strings.Fields(counts)
			require.Len(t, fields, 3)
			require.NotEqual(t, "0", fields[0], "%s: nothing agreed\n%s", want, out)
			require.Equal(t, "0", fields[1], "%s\n%s", want, out)
			return
		}
	}
	require.Fail(t, "it was not compared", "%s\n%s", want, out)
}
