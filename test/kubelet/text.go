package kubelet

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// words are what lines are made of: what JSON escapes, what terminals obey, and what is cut in the wrong place.
var words = []string{
	"GET", "/index.html", "200", "connection reset by peer", "user=42", "łódź", "日本語のログ", "🚢🚢", "naïve", "\"quoted\"", "C:\\temp\\x",
	"<b>&amp;</b>", "{\"a\":1}", "\ttab", "\x1b[31mred\x1b[0m", "\u2028", "%d%s", "'", "key=value", "αβγ", "at com.example.Main(Main.java:17)",
	"retrying in 500ms", "level=error", "|", "--", "…", "0x7ffe", "null", "\u0001",
}

// text is the line with this token. Most have some 120 bytes, one in a hundred has up to 8 KiB, one in two
// thousand up to 128 KiB.
func text(seed uint64, pod, token int) string {
	rng := rand.New(rand.NewPCG(seed, uint64(token)))
	size := 20 + rng.IntN(160)
	switch {
	case rng.IntN(2000) == 0:
		size = 16<<10 + rng.IntN(112<<10)
	case rng.IntN(100) == 0:
		size = 1<<10 + rng.IntN(7<<10)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "sq#%08d pod=%d", token, pod)
	for b.Len() < size {
		b.WriteByte(' ')
		b.WriteString(words[rng.IntN(len(words))])
	}
	b.WriteString(" end") // no blank at the end, which a reader might trim
	return b.String()
}

// Token finds the number of the line in a text; ok is false if it has none.
func Token(text string) (token int, ok bool) {
	_, after, ok := strings.Cut(text, "sq#")
	if !ok || len(after) < 8 {
		return 0, false
	}
	for _, c := range []byte(after[:8]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		token = token*10 + int(c-'0')
	}
	return token, true
}

// uuid is a random one.
func uuid(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&(1<<48-1))
}
