package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// JavaText returns x as Java writes it, which is how Elasticsearch answers: 5.0, 1.0E10.
func JavaText(x float64) string { return javaText(x) }

// Print writes t as the format has it, the first of several. Where the format has no text for a moment that can
// be read again, as epoch_millis with a fraction, it is cut.
func (f *Format) Print(t time.Time) string {
	first, _, _ := strings.Cut(f.text, "||")
	first = strings.TrimPrefix(first, "8")
	switch first {
	case "epoch_millis":
		return strconv.FormatInt(t.UnixMilli(), 10)
	case "epoch_second":
		text := strconv.FormatInt(t.Unix(), 10)
		if n := t.Nanosecond(); n != 0 && t.Unix() >= 0 {
			text += "." + strings.TrimRight(fmt.Sprintf("%09d", n), "0")
		}
		return text
	case "strict_date_optional_time", "strict_date_optional_time_nanos", "date_optional_time", "iso8601",
		"strictDateOptionalTime", "strictDateOptionalTimeNanos", "dateOptionalTime":
		return printISO(t)
	}
	if p, ok := namedPatterns[strings.TrimPrefix(first, "strict_")]; ok {
		first = p
	}
	return printPattern(first, t)
}

// printISO writes at least three digits behind the point.
func printISO(t time.Time) string {
	layout := "2006-01-02T15:04:05.000Z07:00"
	if t.Nanosecond()%1_000_000 != 0 {
		layout = "2006-01-02T15:04:05.000000000Z07:00"
		s := plus(t, 4) + t.Format(layout)
		point := strings.IndexByte(s, '.') + 1
		digits := strings.TrimRight(s[point:point+9], "0")
		return s[:point] + digits + s[point+9:]
	}
	return plus(t, 4) + t.Format(layout)
}

// plus is the sign before a year of more digits than there is room for.
func plus(t time.Time, room int) string {
	if len(strconv.Itoa(t.Year())) > room && t.Year() > 0 {
		return "+"
	}
	return ""
}

// printPattern writes t by one of Java's patterns that compilePattern takes.
func printPattern(p string, t time.Time) string {
	var b strings.Builder
	for p != "" {
		c := p[0]
		switch {
		case c == '\'':
			text, rest, err := quoted(p)
			if err != nil {
				return b.String()
			}
			b.WriteString(text)
			p = rest
			continue
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			n := len(p) - len(strings.TrimLeft(p, string(c)))
			printLetter(&b, c, n, t)
			p = p[n:]
			continue
		case c != '[' && c != ']':
			b.WriteByte(c)
		}
		p = p[1:]
	}
	return b.String()
}

func printLetter(b *strings.Builder, c byte, n int, t time.Time) {
	number := func(x int) { fmt.Fprintf(b, "%0*d", n, x) }
	switch c {
	case 'y', 'u':
		if n == 2 {
			number(t.Year() % 100)
		} else {
			if n >= 4 {
				b.WriteString(plus(t, n))
			}
			number(t.Year())
		}
	case 'M', 'L':
		switch {
		case n <= 2:
			number(int(t.Month()))
		case n == 3:
			b.WriteString(monthNames[t.Month()-1][:3])
		default:
			b.WriteString(monthNames[t.Month()-1])
		}
	case 'd':
		number(t.Day())
	case 'D':
		number(t.YearDay())
	case 'H':
		number(t.Hour())
	case 'k':
		number((t.Hour()+23)%24 + 1)
	case 'K':
		number(t.Hour() % 12)
	case 'h':
		number((t.Hour()+11)%12 + 1)
	case 'm':
		number(t.Minute())
	case 's':
		number(t.Second())
	case 'S':
		fraction := fmt.Sprintf("%09d", t.Nanosecond())
		b.WriteString(fraction[:min(n, 9)])
	case 'n':
		number(t.Nanosecond())
	case 'a':
		b.WriteString(t.Format("PM"))
	case 'E', 'e', 'c':
		name := dayNames[(int(t.Weekday())+6)%7]
		if n <= 3 {
			name = name[:3]
		}
		b.WriteString(name)
	case 'X', 'x', 'Z':
		printOffset(b, c, n, t)
	case 'z', 'V', 'v':
		b.WriteString(t.Location().String())
	}
}

func printOffset(b *strings.Builder, c byte, n int, t time.Time) {
	_, offset := t.Zone()
	switch {
	case c == 'X' && offset == 0:
		b.WriteByte('Z')
	case c == 'Z' && n == 4:
		b.WriteString("GMT")
		if offset != 0 {
			b.WriteString(t.Format("-07:00"))
		}
	case c == 'Z' && n == 5 && offset == 0:
		b.WriteByte('Z')
	case c == 'Z' && n < 4, n == 2:
		b.WriteString(t.Format("-0700"))
	case n == 1:
		if offset%3600 == 0 {
			b.WriteString(t.Format("-07"))
		} else {
			b.WriteString(t.Format("-0700"))
		}
	default:
		b.WriteString(t.Format("-07:00"))
	}
}
