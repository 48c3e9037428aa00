package setting

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s, which somebody else wrote, with everything but printable characters written as an escape:
// "\n", "\x1b", "\u202e". A terminal obeys nothing of it.
func Printable(s string) string {
	unsafe := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.IndexFunc(s, unsafe) < 0 && utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unsafe(r) || r == utf8.RuneError && size == 1 {
			escaped := strconv.Quote(s[i : i+size])
			b = append(b, escaped[1:len(escaped)-1]...)
		} else {
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return string(b)
}
