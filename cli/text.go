package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Printable returns s, which somebody else wrote, with everything but printable characters written as an escape:
// "\n", "\x1b", "\u202e". A terminal obeys nothing of it.
func Printable(s string) string {
	if strings.IndexFunc(s, Unsafe) < 0 && utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if Unsafe(r) || r == utf8.RuneError && size == 1 {
			escaped := strconv.Quote(s[i : i+size])
			b = append(b, escaped[1:len(escaped)-1]...)
		} else {
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return string(b)
}

// Unsafe says whether a terminal may obey r, or not show it.
func Unsafe(r rune) bool { return !unicode.IsPrint(r) }

// Bytes writes a number of bytes for people: 812 B, 1.5 GiB.
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.*f %s", min(i, 1), f, units[i])
}

// Terminal is w if it is a terminal that can do more than print lines; otherwise nil.
func Terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		return f
	}
	return nil
}

// Colours says whether the user wants them on a terminal.
func Colours() bool { return os.Getenv("NO_COLOR") == "" }
