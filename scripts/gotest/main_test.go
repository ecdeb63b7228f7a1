package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	const events = `{"Action":"build-output","ImportPath":"c","Output":"c.go:1: no such thing\n"}
{"Action":"run","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"noise\n"}
{"Action":"pass","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestRoot/x","Output":"=== RUN   TestRoot/x\n"}
{"Action":"output","Package":"a","Test":"TestRoot/x","Output":"    a_test.go:7: needs root\n"}
{"Action":"output","Package":"a","Test":"TestRoot/x","Output":"    --- SKIP: TestRoot/x (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestRoot/x"}
{"Action":"output","Package":"a","Test":"TestMute","Output":"--- SKIP: TestMute (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestMute"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t0.1s\n"}
{"Action":"output","Package":"b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"b","Test":"TestBad","Output":"    b_test.go:3: 1 is not 2\n"}
{"Action":"output","Package":"b","Test":"TestRoot","Output":"b_test.go:9: needs root\n"}
{"Action":"skip","Package":"b","Test":"TestRoot"}
{"Action":"fail","Package":"b","Test":"TestBad"}
{"Action":"output","Package":"b","Output":"FAIL\tb\t0.1s\n"}
not an event
`
	const want = `c.go:1: no such thing
ok  	a	0.1s
    b_test.go:3: 1 is not 2
FAIL	b	0.1s
not an event

skipped: needs root
  a TestRoot/x
  b TestRoot

skipped: no reason given
  a TestMute

1 passed, 1 failed, 3 skipped
`
	var got strings.Builder
	r := newReport(&got)
	require.NoError(t, r.read(strings.NewReader(events)))
	r.finish()
	require.Equal(t, want, got.String())
}
