package loaders

import (
	"debug/elf"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
)

// each runs a test for every object and NIC, alone in its namespaces. veth's
// objects walk: their records of their own are for the loader to answer.
func each(t *testing.T, test func(t *testing.T, object, path string)) {
	for _, nic := range append(nics, "veth") {
		for _, object := range objects {
			if nic == "veth" && object == "ptype_count" {
				continue // it asks for nothing that veth has
			}
			t.Run(nic+"/"+object, func(t *testing.T) {
				path := rewritten(t, object, nic)
				isolate(t)
				test(t, object, path)
			})
		}
	}
}

// shown are source lines that bpftool has to show of each object, in this order:
// the call, and lines with and without hints after it.
var shown = map[string][]string{
	"ptype_count": {
		"; const struct hintjit_rx *h = hintjit_rx(ctx);",
		"; __u32 l4 = (h->ptype & HINTJIT_PTYPE_L4_MASK) >> HINTJIT_PTYPE_L4_SHIFT;",
		"; count = bpf_map_lookup_elem(&packets, &l4);",
		"; *count += 1;",
	},
	"l4lb": {
		"; const struct hintjit_rx *h = hintjit_rx(ctx);",
		"; c = bpf_map_lookup_elem(&config, &zero);",
		"; if (!c || !c->backends)",
		"; hash ^= (key >> 32) & -(word >> 31);",
		"; b = bpf_map_lookup_elem(&backends, &slot);",
		"; __builtin_memcpy(eth->h_dest, b->mac, ETH_ALEN);",
	},
	"af_xdp_meta": {
		"; const struct hintjit_rx *h = hintjit_rx(ctx);",
		"; if (bpf_xdp_adjust_meta(ctx, (int)(data - old) - (int)sizeof(*meta)))",
		"; *meta = *h;",
		"; return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);",
	},
	"vlan_ts_log": {
		"; const struct hintjit_rx *h = hintjit_rx(ctx);",
		"; if (!h->has_vlan_tci)",
		"; r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);",
		"; r->vlan = h->vlan_tci & VLAN_ID;",
		"; bpf_ringbuf_submit(r, 0);",
	},
	"many": {
		"; const struct hintjit_rx *h = hintjit_rx(ctx);",
		"; count(present(h) != 0);",
		"; return verdict(ctx);",
		"; return h->has_rx_hash |",
		"; __u64 *n = bpf_map_lookup_elem(&seen, &slot);",
	},
}

// entry is the program of each object that is looked at and attached.
func entry(object string) string {
	if object == "many" {
		return "first"
	}
	return object
}

func TestBpftool(t *testing.T) {
	needTool(t, "bpftool", "is one of the loaders to work with")
	each(t, func(t *testing.T, object, path string) {
		// Loads all and pins the first.
		pin := filepath.Join(bpffs, "one")
		run(t, "bpftool", "prog", "load", path, pin)
		dump := run(t, "bpftool", "prog", "dump", "xlated", "pinned", pin)
		rest := dump
		for _, line := range shown[object] {
			_, after, found := strings.Cut(rest, line)
			require.True(t, found, "%s\nis not, or not after the lines before it, in\n%s", line, dump)
			rest = after
		}
		// What stands for the call is under its line, be it only the copy of the context
		// for the place further down at which the descriptor is read.
		_, inserted, _ := strings.Cut(dump, shown[object][0])
		inserted, _, _ = strings.Cut(inserted, ";")
		require.NotEmpty(t, strings.TrimSpace(inserted), dump)

		numbers := run(t, "bpftool", "prog", "dump", "xlated", "pinned", pin, "linum")
		require.Regexp(t, `hintjit_rx\(ctx\); \[file:\S*`+object+`\.c line_num:\d+ line_col:\d+\]`, numbers)

		if object == "many" {
			return // libbpf 1.1 can not pin all when one is not to be loaded by itself
		}
		run(t, "bpftool", "prog", "loadall", path, filepath.Join(bpffs, "all"))
		run(t, "bpftool", "prog", "show", "pinned", filepath.Join(bpffs, "all", entry(object)))
	})
}

func TestIproute2(t *testing.T) {
	each(t, func(t *testing.T, object, path string) {
		sections := []string{"xdp"}
		if object == "many" {
			sections = append(sections, "xdp.frags")
		}
		for _, mode := range []string{"xdpgeneric", "xdpdrv"} {
			for _, section := range sections {
				run(t, "ip", "link", "set", "dev", device, mode, "obj", path, "sec", section)
				require.Regexp(t, `prog/xdp id \d+`, run(t, "ip", "link", "show", "dev", device))
				run(t, "ip", "link", "set", "dev", device, mode, "off")
			}
		}
	})
}

func TestXDPLoader(t *testing.T) {
	needTool(t, "xdp-loader", "is one of the loaders to work with")
	each(t, func(t *testing.T, object, path string) {
		programs := []string{entry(object)}
		if object == "many" {
			programs = append(programs, "plain", "mirror")
		}
		for _, mode := range []string{"skb", "native"} {
			for _, program := range programs {
				run(t, "xdp-loader", "load", "--mode", mode, "--prog-name", program, device, path)
				require.Contains(t, run(t, "xdp-loader", "status", device), program)
				run(t, "xdp-loader", "unload", device, "--all")
			}
		}
	})
}

func TestCilium(t *testing.T) {
	each(t, func(t *testing.T, object, path string) {
		coll := load(t, path)
		for name, program := range coll.Programs {
			attach(t, device, program, link.XDPGenericMode).Close()
			attach(t, device, program, link.XDPDriverMode).Close()
			info, err := program.Info()
			require.NoError(t, err)
			lines, err := info.LineInfos()
			require.NoError(t, err, name)
			require.NotEmpty(t, lines, name)
		}
	})
}

// The extern is gone, and so is its declaration: a loader would look for it.
func TestNoExternIsLeft(t *testing.T) {
	for _, nic := range nics {
		for _, object := range objects {
			path := rewritten(t, object, nic)
			file, err := elf.Open(path)
			require.NoError(t, err)
			symbols, err := file.Symbols()
			require.NoError(t, err)
			require.NotEmpty(t, symbols)
			for _, s := range symbols {
				require.NotEqual(t, "hintjit_rx", s.Name, path)
			}
			require.NoError(t, file.Close())
			spec, err := btf.LoadSpec(path)
			require.NoError(t, err)
			var section *btf.Datasec
			require.ErrorIs(t, spec.TypeByName(".ksyms", &section), btf.ErrNotFound, path)
		}
	}
}

// An object that was not rewritten is refused by name, whoever loads it.
func TestNotRewritten(t *testing.T) {
	for _, object := range objects {
		path := source(t, object)
		for name, refusal := range map[string]func(t *testing.T) string{
			"bpftool": func(t *testing.T) string {
				return fails(t, "bpftool", "prog", "loadall", path, filepath.Join(bpffs, "all"))
			},
			"ip": func(t *testing.T) string {
				return fails(t, "ip", "link", "set", "dev", device, "xdpgeneric", "obj", path, "sec", "xdp")
			},
			"xdp-loader": func(t *testing.T) string {
				// It tells what libbpf said when asked to.
				return fails(t, "xdp-loader", "load", "-vv", "--mode", "skb", "--prog-name", entry(object), device, path)
			},
			"cilium/ebpf": func(t *testing.T) string {
				_, err := ebpf.LoadCollection(path)
				require.Error(t, err)
				return err.Error()
			},
		} {
			t.Run(object+"/"+name, func(t *testing.T) {
				if name != "cilium/ebpf" {
					needTool(t, name, "is one of the loaders to work with")
				}
				isolate(t)
				require.Contains(t, refusal(t), "hintjit_rx")
			})
		}
	}
}

// load loads an object with cilium/ebpf, but for programs that replace another's
// function.
func load(t *testing.T, path string) *ebpf.Collection {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec(path)
	require.NoError(t, err)
	delete(spec.Programs, "decide")
	coll, err := ebpf.NewCollection(spec)
	require.NoError(t, err)
	t.Cleanup(coll.Close)
	return coll
}

func attach(t *testing.T, to string, program *ebpf.Program, mode link.XDPAttachFlags) link.Link {
	t.Helper()
	// Of this namespace: the goroutine is locked to its thread.
	dev, err := net.InterfaceByName(to)
	require.NoError(t, err)
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: dev.Index, Flags: mode})
	require.NoError(t, err)
	return l
}
