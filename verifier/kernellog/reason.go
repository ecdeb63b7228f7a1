package kernellog

import (
	"regexp"
	"strings"
	"sync"
)

// Reason is why programs are refused, and the sentences that say so.
type Reason struct {
	// Says are the sentences, as their formats stand in the source of the kernel or
	// of a loader: %d and the like for a number, %s for anything. Kernels differ,
	// so there may be several.
	Says []string
	// Means and Do may refer to what stood for the format's verbs: $1, ${2}.
	Means    string
	Do       string
	Inserted string // Do, where a rewriter put the instruction in; "": its fault
	From     string // where the sentence is said
	// Whole: it is not about the instruction that the verifier came by last.
	Whole bool
	// Grows: the more code there is, or the more stack, the sooner it comes.
	Grows bool
	// Missing: a function is called that the loader did not find. Which, the log
	// need not say: who knows it tells by Log.NotFound.
	Missing bool
}

// anyPattern expands what Reason.match captured; which pattern that was does not
// matter for $1.
var anyPattern = regexp.MustCompile(``)

var verbs = regexp.MustCompile(`%#?\d*(?:l|ll)?[dux]|%02x|%s`)

// pattern is a format as a regular expression.
func pattern(format string) *regexp.Regexp {
	var b strings.Builder
	at := 0
	for _, v := range verbs.FindAllStringIndex(format, -1) {
		b.WriteString(regexp.QuoteMeta(format[at:v[0]]))
		if format[v[0]:v[1]] == "%s" {
			b.WriteString(`(.*?)`)
		} else {
			b.WriteString(`(-?(?:0x)?[0-9a-f]+)`)
		}
		at = v[1]
	}
	b.WriteString(regexp.QuoteMeta(format[at:]))
	if strings.HasSuffix(format, "%s") {
		b.WriteString(`$`)
	}
	return regexp.MustCompile(b.String())
}

// patterns are made once: most programs are never refused.
var patterns = sync.OnceValue(func() map[string]*regexp.Regexp {
	out := map[string]*regexp.Regexp{}
	for i := range reasons {
		for _, format := range reasons[i].Says {
			out[format] = pattern(format)
		}
	}
	return out
})

// match returns where in a sentence the verbs of one of the formats are, nil when
// it is none of them.
func (r *Reason) match(sentence string) []int {
	for _, format := range r.Says {
		if at := patterns()[format].FindStringSubmatchIndex(sentence); at != nil {
			return at
		}
	}
	return nil
}
