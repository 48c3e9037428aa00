package lines

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// levels are the journal's names of levels, by other ones. Numbers are syslog's and bunyan's.
var levels = map[string]string{
	"0": "emerg", "1": "alert", "2": "crit", "3": "err", "4": "warning", "5": "notice", "6": "info", "7": "debug",
	"10": "trace", "20": "debug", "30": "info", "40": "warning", "50": "err", "60": "crit",
	"emerg": "emerg", "emergency": "emerg", "panic": "emerg", "alert": "alert",
	"crit": "crit", "critical": "crit", "fatal": "crit", "dpanic": "crit",
	"err": "err", "error": "err", "severe": "err", "eror": "err", "warning": "warning", "warn": "warning", "wrn": "warning",
	"notice": "notice", "info": "info", "information": "info", "informational": "info", "inf": "info",
	"debug": "debug", "dbg": "debug", "dbug": "debug", "fine": "debug", "verbose": "debug",
	"trace": "trace", "trc": "trace", "finer": "trace", "finest": "trace",
}

// capitals are the levels' names that say a message's level wherever they stand in it: no number, and no long word.
var capitals = func() map[string]bool {
	out := map[string]bool{}
	for name := range levels {
		if len(name) > 2 && len(name) < 12 {
			out[strings.ToUpper(name)] = true
		}
	}
	return out
}()

const (
	// searched is how much of a message is searched for its level and time.
	searched = 256
	// maxLevel is the longest level that is taken.
	maxLevel = 32
)

// level returns the name of a level, or "" for what cannot be one.
func (l *Level) level(text string) string {
	if name, ok := l.Names[text]; ok {
		return name
	}
	text = strings.ToLower(text)
	if name, ok := levels[text]; ok {
		return name
	}
	if text == "" || len(text) > maxLevel || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return strings.Clone(text) // not the message that it is a part of
}

// find returns the level in a message.
func (l *Level) find(text string) string {
	text = text[:min(len(text), searched)]
	if l.Pattern != nil {
		return l.level(firstGroup(l.Pattern.Regexp, text))
	}
	return l.level(usualLevel(text))
}

// usualLevel returns the first word that is a level's name in capitals, or stands behind `level=`.
func usualLevel(text string) string {
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && isLetter(text[i]) {
			i++
		}
		word := text[start:i]
		switch word {
		case "":
			i++
			continue
		case "level", "lvl", "severity":
			if value, ok := strings.CutPrefix(text[i:], "="); ok {
				value = strings.TrimLeft(value, `"'`)
				end := strings.IndexFunc(value, func(r rune) bool { return r >= utf8.RuneSelf || !isLetter(byte(r)) })
				if end < 0 {
					end = len(value)
				}
				return value[:end]
			}
		default:
			if capitals[word] {
				return word
			}
		}
	}
	return ""
}

// isLetter says whether c can be part of a word; digits and _ are, so that ERROR_CODE and E2E are none.
func isLetter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_'
}

// firstGroup returns what the first group that took part in a match has, or the match if there is no group.
func firstGroup(r *regexp.Regexp, text string) string {
	match := r.FindStringSubmatch(text)
	for i := 1; i < len(match); i++ {
		if match[i] != "" {
			return match[i]
		}
	}
	if len(match) == 1 {
		return match[0]
	}
	return ""
}

// parseISO reads a time such as 2024-05-17 12:00:00,123 +0200, with a T or a blank in it, / for -, with
// or without a fraction and a zone. It returns what stands behind it.
func parseISO(s string, zone *time.Location) (t time.Time, rest string, ok bool) {
	const seconds = "2006-01-02T15:04:05"
	if len(s) < len(seconds) || s[4] != '-' && s[4] != '/' || s[10] != 'T' && s[10] != ' ' {
		return t, s, false
	}
	var b [len(seconds) + 16]byte
	out := append(b[:0], s[:len(seconds)]...)
	if s[4] == '/' && s[7] == '/' {
		out[4], out[7] = '-', '-'
	}
	out[10], s = 'T', s[len(seconds):]
	if s != "" && (s[0] == '.' || s[0] == ',') {
		digits := 1
		for digits < len(s) && s[digits]-'0' <= 9 {
			digits++
		}
		if digits > 1 {
			out = append(append(out, '.'), s[1:min(digits, 10)]...)
			s = s[digits:]
		}
	}
	name := strings.TrimPrefix(s, " ")
	switch n := len(name); {
	case n > 0 && name[0] == 'Z':
		out, s = append(out, 'Z'), name[1:]
	case n >= 6 && (name[0] == '+' || name[0] == '-') && name[3] == ':':
		out, s = append(out, name[:6]...), name[6:]
	case n >= 5 && (name[0] == '+' || name[0] == '-') && name[1]-'0' <= 9 && name[4]-'0' <= 9:
		out, s = append(append(append(out, name[:3]...), ':'), name[3:5]...), name[5:]
	default:
		t, ok = parseTime(append(out, 'Z'))
		year, month, day := t.Date()
		return time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone), s, ok
	}
	t, ok = parseTime(out)
	return t, s, ok
}

var errTime = errors.New("it is in none of the layouts, or too long ago, or in the future")

// find returns the time in a message.
func (o *Timestamp) find(text string, now time.Time) (time.Time, error) {
	text = text[:min(len(text), searched)]
	if o.Pattern != nil {
		return o.parse(firstGroup(o.Pattern.Regexp, text), false, now)
	}
	return o.parse(strings.TrimLeft(text, " [(<"), true, now)
}

// parse reads a time; more says that other text may stand behind it.
func (o *Timestamp) parse(text string, more bool, now time.Time) (time.Time, error) {
	if len(o.Layouts) == 0 {
		t, rest, ok := parseISO(text, o.Timezone.Location)
		if !ok || rest != "" && !more || !o.plausible(t, now) {
			return time.Time{}, errTime
		}
		return t.UTC(), nil
	}
	for _, layout := range o.Layouts {
		t, err := o.parseAs(layout, text, more)
		if err != nil {
			continue
		}
		if t.Year() == 0 { // the layout has no year: it is the last one that fits
			t = t.AddDate(now.In(t.Location()).Year(), 0, 0)
			if t.Sub(now) > 24*time.Hour {
				t = t.AddDate(-1, 0, 0)
			}
		}
		if o.plausible(t, now) {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errTime
}

// plausible says whether a time that a line claims may be taken.
func (o *Timestamp) plausible(t, now time.Time) bool {
	return t.Sub(now) <= 24*time.Hour && (o.MaxAge == 0 || now.Sub(t) <= o.MaxAge) && t.Year() > 0
}

var unixUnits = map[string]time.Duration{"UNIX": time.Second, "UNIX_MS": time.Millisecond, "UNIX_US": time.Microsecond, "UNIX_NS": time.Nanosecond}

func (o *Timestamp) parseAs(layout, text string, more bool) (time.Time, error) {
	if unit := unixUnits[layout]; unit != 0 {
		return parseUnix(text, more, unit)
	}
	t, err := time.ParseInLocation(layout, text, o.Timezone.Location)
	if wrong := new(time.ParseError); more && errors.As(err, &wrong) && strings.HasPrefix(wrong.Message, ": extra text: ") {
		text = strings.TrimSuffix(text, wrong.ValueElem)
		return time.ParseInLocation(layout, text, o.Timezone.Location)
	}
	return t, err
}

// parseUnix reads a number of units since 1970, with or without a fraction.
func parseUnix(text string, more bool, unit time.Duration) (time.Time, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	if end < len(text) && !more {
		return time.Time{}, fmt.Errorf("cannot read time from %q: it is no number", text)
	}
	whole, fraction, _ := strings.Cut(text[:end], ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	per := int64(time.Second / unit)
	t := time.Unix(n/per, n%per*int64(unit))
	if fraction != "" {
		f, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return time.Time{}, err
		}
		t = t.Add(time.Duration(f * float64(unit)))
	}
	return t, nil
}
