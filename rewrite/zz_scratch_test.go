package rewrite_test

import (
	"errors"
"fmt"
"github.com/cilium/ebpf"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hintjit/hintjit/rewrite"
)

// dump finds failing programs one at a time
func TestZZScratch(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	count, _ := strconv.Atoi(os.Getenv("ZZ"))
	rng := random(t)
	all := nics(t)
	machines := slices.Concat(runnable, foreign)
	for i := range count {
		n, m := all[rng.IntN(len(all))], machines[rng.IntN(len(machines))]
		packets := samples(rng, n.descriptor)
		rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		packets = packets[:min(len(packets), 60)]
		file := generate(rng, n, packets, 1)
		func() {
			stage := "compile"
			fail := func(format string, args ...any) {
				msg := fmt.Sprintf(format, args...)
				name := fmt.Sprintf("/tmp/h1/fail_%d", rand.Uint64()%10000000)
				os.WriteFile(name+".c", []byte(fmt.Sprintf("// %s %s: %s\n%s", n, m, strings.ReplaceAll(msg, "\n", "\n//"), file.text)), 0644)
				if len(msg) > 300 {
					msg = msg[:100] + "..." + msg[len(msg)-200:]
				}
				fmt.Printf("%d %s %s %s: %s: %s\n", i, name, n, m, stage, msg)
			}
			defer func() {
				if r := recover(); r != nil {
					fail("panic %v", r)
				}
			}()
			object, err := func() (o []byte, err error) { o = compileText(t, file.text, m); return }()
			if err != nil {
				fail("%v", err)
				return
			}
			stage = "rewrite"
			before := newInterpreter(t, object, m.order())
			before.answerRecords(t, n)
			rewritten, _, err := rewrite.Object(object, n.options())
			if err != nil {
				fail("%v", err)
				return
			}
			stage = "run"
			var after func(string, sample) (outcome, error)
			if m.big || os.Getenv("ZZINT") != "" {
				after = newInterpreter(t, rewritten, m.order()).run
			} else {
				t.Run("k", func(t *testing.T) {
					spec, _ := loadSpec(t, rewritten)
					ok := false
					defer func() {
						if !ok {
							fail("load")
						}
					}()
					coll, err := ebpf.NewCollection(spec); if err != nil { ok = true; var ve *ebpf.VerifierError; if errors.As(err, &ve) { l := ve.Log; fail("load %s", strings.Join(l[max(0, len(l)-4):], "\n")) } else {fail("load %v", err)}; return }; t.Cleanup(coll.Close)
					ok = true
					for name := range file.programs {
						for _, s := range packets {
							want, err := before.run(name, s)
							if err != nil {
								fail("before: %v", err)
								return
							}
							if list := run(t, coll, name, s).differ(want); list != nil {
								fail("meta %x packet %x hints %v\n %q", s.meta, s.packet, s.hints(m.order()), list)
								return
							}
						}
					}
				})
				return
			}
			for name := range file.programs {
				for _, s := range packets {
					want, err := before.run(name, s)
					if err != nil {
						fail("before: %v", err)
						return
					}
					o, err := after(name, s)
					if err != nil {
						fail("after: %v", err)
						return
					}
					if list := o.differ(want); list != nil {
						fail("meta %x packet %x hints %v\n %q", s.meta, s.packet, s.hints(m.order()), list)
						return
					}
				}
			}
		}()
	}
}
