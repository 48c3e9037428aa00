package source

import (
	"slices"
	"strings"
)

// A Level is how severe a line is, in one form for all the words that are in use.
type Level uint8

// Levels, from low to high. None is of documents without one, Other of those with a word that is not known.
const (
	None Level = iota
	Other
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
	Levels int = iota
)

// words are those of each level in lower case, the usual one first: syslog's, Java's, glog's and those of other loggers.
var words = [Levels][]string{
	Trace: {"trace", "finest", "finer", "all", "verbose", "silly"},
	Debug: {"debug", "fine", "dbg"},
	Info:  {"info", "information", "informational", "notice", "config", "inf", "log"},
	Warn:  {"warn", "warning", "wrn"},
	Error: {"error", "err", "severe", "eror"},
	Fatal: {"fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "dpanic"},
}

var levelOf = func() map[string]Level {
	m := map[string]Level{}
	for level, all := range words {
		for _, word := range all {
			m[word] = Level(level)
		}
	}
	return m
}()

// ParseLevel reads a level's word, in any case.
func ParseLevel(word string) Level {
	word = strings.TrimSpace(word)
	if word == "" {
		return None
	}
	if level, ok := levelOf[strings.ToLower(word)]; ok {
		return level
	}
	return Other
}

// Words are what documents of the level may say, in the cases that are in use: keywords are compared letter by letter.
func (l Level) Words() []string {
	var all []string
	for _, word := range words[l] {
		all = append(all, word, strings.ToUpper(word), strings.ToUpper(word[:1])+word[1:])
	}
	return slices.Clip(all)
}

// String is the level's name: TRACE … FATAL, OTHER; "" of None.
func (l Level) String() string {
	return [Levels]string{"", "OTHER", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[l]
}
