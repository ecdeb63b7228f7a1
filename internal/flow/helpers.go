package flow

// helperArgs is how many arguments each BPF helper takes, by its number: one
// digit each, from the prototypes in libbpf 1.1's bpf_helper_defs.h, which is
// generated from include/uapi/linux/bpf.h: helpers 0 to 211.
// Variadic helpers count as five.
const helperArgs = "5242305005553300213144221543533323103232210323112543442435224224" +
	"3254544444434141024255132244311111155433344421553333210445113053" +
	"1243222211111444342335414212420203154534132311113414543321011445" +
	"33231442255333220442"

// HelperArgs returns how many arguments helper number id takes; five for one
// that is not known.
func HelperArgs(id int64) int {
	if id < 0 || id >= int64(len(helperArgs)) {
		return 5
	}
	return int(helperArgs[id] - '0')
}
