package journal

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"
)

// sample is the cursor of the requirements' sample entry, and what it says.
const sample = "s=d8478c3862d347e59d28104ba4edb24d;i=144dd0;b=b4d5f19eb0fa4460a1155cdb19fcdcf9;m=f1125097aa;t=54f14690b9edf;x=19866ec227042b69"

func TestParseCursor(t *testing.T) {
	c, err := parseCursor(sample)
	must(t, err)
	equal(t, "cursor", c, cursor{
		SeqnumID: "d8478c3862d347e59d28104ba4edb24d", Seqnum: 0x144dd0,
		BootID: "b4d5f19eb0fa4460a1155cdb19fcdcf9", Monotonic: 1035394389930, Realtime: 1494323963862751, Xor: 0x19866ec227042b69,
	})
	equal(t, "text", c.String(), sample)

	f := func(text, want string) {
		t.Helper()
		_, err := parseCursor(text)
		if have := errorText(err); have != want {
			t.Errorf("error is %s, want %s", have, want)
		}
	}
	bad := func(old, new, want string) {
		t.Helper()
		text := strings.Replace(sample, old, new, 1)
		f(text, fmt.Sprintf("cannot read cursor %q: %s", text, want))
	}
	f("x=19866ec227042b69;"+strings.TrimSuffix(sample, ";x=19866ec227042b69"), "")
	f("", `cannot read cursor "": "" is not KEY=value`)
	f("hello", `cannot read cursor "hello": "hello" is not KEY=value`)
	bad(";x=19866ec227042b69", "", `key "x" is missing`)
	bad("i=144dd0", "i=0", "it names no entry")
	bad("i=144dd0", "i=144DD0", `"144DD0" is no value of "i"`)
	bad("i=144dd0", "i=11234567890123456", `"11234567890123456" is no value of "i"`)
	bad("i=144dd0", "i=-1", `"-1" is no value of "i"`)
	bad("i=144dd0", "i=", `"i=" is not KEY=value`)
	bad("i=144dd0", "i:144dd0", `"i:144dd0" is not KEY=value`)
	bad("s=d", "s=", `"8478c3862d347e59d28104ba4edb24d" is no value of "s"`)
	bad("s=d8478c3862d347e59d28104ba4edb24d", "s=00000000000000000000000000000000", "it names no entry")
	bad(";m=", ";i=", `key "i" is there twice`)
	bad(";m=", ";y=", `there is no key "y"`)
	bad(";m=", ";;m=", `"" is not KEY=value`)
	bad("b69", "b69;", `"" is not KEY=value`)
	bad("b69", "b69\x00", `"19866ec227042b69\x00" is no value of "x"`)
	long := strings.Repeat("a", 1000)
	f(long, fmt.Sprintf("cannot read cursor %q: %q is not KEY=value", long[:200]+"…", long[:200]+"…"))
}

func FuzzCursor(f *testing.F) {
	f.Add(sample)
	f.Add("s=;i=;b=;m=;t=;x=")
	f.Add("s=d8478c3862d347e59d28104ba4edb24d;i=1")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			if len(err.Error()) > 6000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := parseCursor(c.String())
		if err != nil || again != c {
			t.Errorf("%q is read as %+v, and its text %q as %+v (%v)", text, c, c.String(), again, err)
		}
	})
}

// The registry gives back what was stored.
func TestPositionStored(t *testing.T) {
	want := position{Cursor: sample, Whole: true, Chains: map[string]uint64{
		"d8478c3862d347e59d28104ba4edb24d": 1, "b4d5f19eb0fa4460a1155cdb19fcdcf9": 1<<53 - 1,
	}}
	dir := t.TempDir()
	for _, read := range []bool{false, true} {
		registry, err := memlog.New(logp.NewLogger("test"), memlog.Settings{Root: dir, FileMode: 0o600})
		must(t, err)
		store, err := statestore.NewRegistry(registry).Get("test")
		must(t, err)
		if !read {
			must(t, store.Set("key", want))
		} else {
			var have position
			must(t, store.Get("key", &have))
			if have.Cursor != want.Cursor || have.Whole != want.Whole || !maps.Equal(have.Chains, want.Chains) {
				t.Errorf("stored %+v, read %+v", want, have)
			}
		}
		must(t, store.Close())
		must(t, registry.Close())
	}
}

func TestTracker(t *testing.T) {
	a, b := strings.Repeat("a", 32), strings.Repeat("b", 32)
	tr := tracker{others: map[string]uint64{a: 5}}
	never := func(string) bool { return false }
	f := func(chain string, n uint64, want string) {
		t.Helper()
		p := tr.position(&Entry{Cursor: fmt.Sprint(n), SeqnumID: chain, Seqnum: n}, never)
		equal(t, "position", fmt.Sprintf("%s %v", p.Cursor, p.Chains), want)
	}
	f(b, 1, "1 map["+a+":5]")
	f(b, 2, "2 map["+a+":5]")
	f(a, 6, "6 map["+b+":2]")
	f(a, 7, "7 map["+b+":2]")
	f(b, 3, "3 map["+a+":7]")

	// What is remembered is bounded, as far as it may be forgotten.
	tr = tracker{others: map[string]uint64{}}
	for i := range 3 * maxChains {
		tr.others[fmt.Sprintf("%032x", i)] = 1
	}
	odd := func(chain string) bool { return strings.HasSuffix(chain, "1") || strings.HasSuffix(chain, "f") }
	equal(t, "chains", len(tr.position(&Entry{SeqnumID: a, Seqnum: 1}, func(id string) bool { return !odd(id) }).Chains), maxChains-1)
}
