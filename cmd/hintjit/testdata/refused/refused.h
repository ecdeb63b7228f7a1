/* What the programs here begin with. The line that is at fault in each ends in a
 * comment that says so. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "hintjit.h"
