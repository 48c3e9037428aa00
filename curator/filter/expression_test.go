package filter

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAsPython compares 5,000 random expressions with Python's answers: see testdata/expressions.py.
func TestAsPython(t *testing.T) {
	file, err := os.Open("testdata/expressions.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	matched, refused, fast := 0, 0, 0
	// What a group holds after a repetition that ended with nothing is not the same everywhere.
	repeated := regexp.MustCompile(`\)[*+?{]`)
	for lines := json.NewDecoder(text); lines.More(); {
		var line []json.RawMessage
		var python string
		var groups *int
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		json.Unmarshal(line[0], &python)
		json.Unmarshal(line[1], &groups)
		e, err := compile(python, false)
		if groups == nil {
			if refused++; err == nil && !strings.Contains(python, "(?<") {
				t.Errorf("%q is accepted, but not by Python", python)
			}
			continue
		}
		if err != nil || e.groups != *groups {
			t.Errorf("%q is refused or has other groups than Python's %d: %v", python, *groups, err)
			continue
		}
		if e.fast != nil {
			fast++
		}
		names := map[string][]*string{}
		if err := json.Unmarshal(line[2], &names); err != nil {
			t.Fatal(err)
		}
		for name, want := range names {
			m, err := e.search(name)
			switch {
			case err != nil || (m == nil) != (want == nil):
				t.Errorf("%q on %q: %v, %v, but Python: %v", python, name, m, err, want != nil)
			case m == nil:
			case repeated.MatchString(python):
			case m.text != *want[0] || m.grouped != (want[1] != nil) || m.grouped && m.group != *want[1]:
				t.Errorf("%q on %q: %q %q %v, but Python: %q", python, name, m.text, m.group, m.grouped, show2(want))
			default:
				matched++
			}
		}
	}
	t.Log(matched, refused, fast)
	if matched < 5000 || refused < 500 || fast < 1000 {
		t.Errorf("%d matches, %d expressions refused, %d run by Go's regexp: more wanted", matched, refused, fast)
	}
}

func show2(want []*string) (out []string) {
	for _, s := range want {
		if s == nil {
			out = append(out, "-")
		} else {
			out = append(out, *s)
		}
	}
	return out
}

// TestPatience: an expression that takes too long is an error, not a match and not a mismatch.
func TestPatience(t *testing.T) {
	e, err := compile(`(?=(a+)+$)a*b`, false)
	if err != nil {
		t.Fatal(err)
	}
	e.slow.MatchTimeout = time.Millisecond
	m, err := e.search(strings.Repeat("a", 40) + "!")
	if m != nil || err == nil || !strings.Contains(err.Error(), "make it simpler") {
		t.Errorf("%v, %v", m, err)
	}
}
