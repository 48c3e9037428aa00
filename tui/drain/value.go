package drain

import (
	"strings"
	"unicode/utf8"
)

// mask stands in a line for what masked has found.
const mask = "\x00"

// masked is the line with mask for what is one value although it has punctuation: times, UUIDs, addresses, quoted paths, queries of
// URLs.
func masked(line string) string {
	var out strings.Builder
	from, inside := 0, false // inside a word
	for i := 0; i < len(line); {
		c := line[i]
		n := 0
		switch {
		case c == '?':
			if n = query(line[i:]); n > 0 { // the sign stays
				i, n = i+1, n-1
			}
		case c == '"' || c == '\'':
			n = path(line[i:])
		case !inside && c < utf8.RuneSelf:
			n = value(line[i:])
		}
		if n == 0 {
			inside = c >= utf8.RuneSelf || letter(c) || digit(c)
			i++
			continue
		}
		out.WriteString(line[from:i])
		out.WriteString(mask)
		i += n
		from, inside = i, true
	}
	if from == 0 {
		return line
	}
	out.WriteString(line[from:])
	return out.String()
}

// times are forms of times and their parts, the longest first: 0 is a digit, x a hexadecimal one, A a letter.
var (
	times = []string{
		"0000-00-00T00:00:00", "0000-00-00 00:00:00", "0000-00-00T00:00", "0000-00-00 00:00", "0000-00-00",
		"0000/00/00 00:00:00", "0000/00/00", "0000.00.00", "00/AAA/0000:00:00:00", "00:00:00",
	}
	syslog = []string{"AAA 00 00:00:00", "AAA  0 00:00:00", "AAA, 00 AAA 0000 00:00:00", "AAA AAA 00 00:00:00 0000", "AAA AAA  0 00:00:00 0000"}
	zones  = []string{" +00:00", " +0000", "+00:00", "+0000", " UTC", "Z"}
	uuid   = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
)

// value is how long the time, UUID or address is that s begins with; 0 if there is none.
func value(s string) int {
	if fits(s, uuid) {
		return len(uuid)
	}
	forms := times
	if letter(s[0]) {
		forms = syslog
	}
	for _, form := range forms {
		if !fits(s, form) {
			continue
		}
		n := len(form)
		if form[n-1] == '0' && strings.Contains(form, ":") && n < len(s)-1 && (s[n] == '.' || s[n] == ',') && digit(s[n+1]) {
			for n++; n < len(s) && digit(s[n]); n++ {
			}
		}
		rest := strings.Replace(s[n:min(n+7, len(s))], "-", "+", 1)
		for _, zone := range zones {
			if fits(rest, zone) {
				return n + len(zone)
			}
		}
		return n
	}
	return address(s)
}

// address is how long the IP or MAC address is that s begins with, with its port or length of network.
func address(s string) int {
	i, dots, colons, group := 0, 0, 0, 0
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case hex(c):
			if group++; group > 4 {
				return 0
			}
			continue
		case c == '.' && colons == 0 && i+1 < len(s) && digit(s[i+1]):
			dots++
		case c == ':' && (dots == 0 || dots == 3 && colons == 0) && i+1 < len(s) && (hex(s[i+1]) || dots == 0 && s[i+1] == ':'):
			colons++
		case c == '/' && (dots == 3 || colons > 2) && i+1 < len(s) && digit(s[i+1]):
			for i++; i < len(s) && digit(s[i]); i++ {
			}
			return i
		default:
			if letter(c) || dots != 3 && colons < 3 {
				return 0
			}
			return i
		}
		if group = 0; dots == 3 && colons == 1 {
			for i++; i < len(s) && digit(s[i]); i++ {
			}
			return i
		}
	}
	if dots != 3 && colons < 3 {
		return 0
	}
	return i
}

// path is how long the quoted path is that s begins with.
func path(s string) int {
	if len(s) < 2 || s[1] != '/' && !fits(s[1:], `A:\`) {
		return 0
	}
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 {
		return 0
	}
	return end + 2
}

// query is how long the query of a URL is that s begins with, with its question mark.
func query(s string) int {
	equals := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case space(c) || c == '"' || c == '\'':
			if !equals {
				return 0
			}
			return i
		case c == '=' && i > 1:
			equals = true
		case !equals && !letter(c) && !digit(c) && strings.IndexByte("_.%+~-", c) < 0:
			return 0
		}
	}
	if !equals {
		return 0
	}
	return len(s)
}

func fits(s, form string) bool {
	if len(s) < len(form) {
		return false
	}
	for i := range len(form) {
		c, ok := s[i], false
		switch form[i] {
		case '0':
			ok = digit(c)
		case 'x':
			ok = hex(c)
		case 'A':
			ok = letter(c)
		default:
			ok = c == form[i]
		}
		if !ok {
			return false
		}
	}
	return true
}

func digit(c byte) bool  { return c-'0' < 10 }
func letter(c byte) bool { return c|0x20-'a' < 26 }
func hex(c byte) bool    { return digit(c) || c|0x20-'a' < 6 }

// varies tells whether a word is taken for a value: it has a digit, is long and hexadecimal, or longer than words are.
func varies(word string) bool {
	if len(word) > 100 {
		return true
	}
	letters := true
	for i := range len(word) {
		c := word[i]
		if c >= '0' && c <= '9' || c == mask[0] {
			return true
		}
		letters = letters && (c|0x20 >= 'a' && c|0x20 <= 'f')
	}
	return letters && len(word) >= 8
}
