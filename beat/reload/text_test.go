package reload

import (
	"testing"

	"github.com/elastic/go-ucfg/parse"
)

// FuzzQuoted: ucfg reads what is quoted as the very same text.
func FuzzQuoted(f *testing.F) {
	for _, text := range []string{"0123", "null", `\`, `"`, `\"`, "'", "a,b", "{a: b}", "[", "\xff\x00\n", "ä日", "$${x}", " "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parse.ValueWithConfig(quoted(text), parse.DefaultConfig); got != text || err != nil {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	})
}

func TestBecomesAnother(t *testing.T) {
	f := func(text string, another, number bool) {
		t.Helper()
		if a, n := becomesAnother(text), isPlainNumber(text); a != another || n != number {
			t.Errorf("%s: got %v, %v; want %v, %v", text, a, n, another, number)
		}
	}
	for _, text := range []string{"0123", "007", "08", "1e5", "1.50", "0x1F", "1_000", "+5", "00", "12345678901234567890123", "null", "on", "T", "TRUE", "-0", "Inf", "1e400"} {
		f(text, text != "1e400", false) // which is no number to anybody
	}
	for _, text := range []string{"0", "8080", "-5", "1.5", "true", "false", "18446744073709551615"} {
		f(text, false, true)
	}
	for _, text := range []string{"secret", "yes", "a,b", "[1]", `"1"`, "1 2", "<nil>"} {
		f(text, false, false)
	}
}
